/** What people do with a file that was just made: have llama.cpp run it in the page. */

import { announcement, result, trial, type TrialAnswer } from '../store';
import { NOT_THERE } from './failure';
import type { LoadedModel } from './llama';

let loaded: LoadedModel | null = null;
/** Of the try that is under way; another one ends it. */
let current = new AbortController();
let answering = new AbortController();

/** Numbers of a vector that are shown. */
const SHOWN = 6;

/** Loads llama.cpp and the file. */
export async function startTrial(): Promise<void> {
  const file = result.value?.written ?? null;
  if (file === null) return;
  const signal = begin();
  trial.value = { status: 'loading' };
  try {
    const { openInLlama } = await import('./llama').catch(() => {
      throw new Error(NOT_THERE);
    });
    const opened = await openInLlama(file, signal);
    if (signal.aborted) return void opened.close();
    loaded = opened;
    trial.value = { status: 'ready', kind: opened.kind, answer: null };
  } catch (error) {
    if (!signal.aborted) trial.value = { status: 'failed', message: messageOf(error) };
  }
}

/** Unloads what is loaded, and ends what is being loaded. */
export function endTrial(): void {
  begin();
  trial.value = { status: 'none' };
}

function begin(): AbortSignal {
  current.abort();
  answering.abort();
  void loaded?.close();
  loaded = null;
  current = new AbortController();
  return current.signal;
}

/** Has the model go on with the prompt, answer it, or make a vector of it. */
export async function askModel(prompt: string): Promise<void> {
  const model = loaded;
  if (model === null || prompt === '' || isAnswering()) return;
  const mine = new AbortController();
  answering = mine;
  const begun = performance.now();
  const said: { text: string; tokens: number } = { text: '', tokens: 0 };
  const show = (status: TrialAnswer['status'], message = ''): void => {
    if (loaded !== model) return;
    const seconds = (performance.now() - begun) / 1000;
    trial.value = { status: 'ready', kind: model.kind, answer: { prompt, ...said, seconds, status, message } };
  };
  show('running');
  try {
    if (model.kind === 'embedding') said.text = described(await model.embed(prompt));
    else {
      for await (const piece of model.generate(prompt, mine.signal)) {
        if (piece === '') continue;
        said.text += piece;
        said.tokens += 1;
        show('running');
      }
    }
    show('done');
    if (loaded === model) announcement.value = 'The model has answered.';
  } catch (error) {
    if (mine.signal.aborted) show('stopped');
    else show('failed', messageOf(error));
  }
}

export function stopAnswer(): void {
  answering.abort();
}

const isAnswering = (): boolean => trial.value.status === 'ready' && trial.value.answer?.status === 'running';

function described(vector: readonly number[]): string {
  const first = vector.slice(0, SHOWN).map((value) => value.toFixed(4));
  return `${String(vector.length)} numbers: ${first.join(', ')}${vector.length > SHOWN ? ', …' : ''}`;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
