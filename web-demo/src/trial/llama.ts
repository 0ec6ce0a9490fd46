/** A GGUF file in llama.cpp, which wllama has as WebAssembly. Both are loaded with this module: who imports it waits for a try. */

import { Wllama, type LoadedContextInfo, type LoadModelParams, type WllamaLogger } from '@wllama/wllama';
import wasmUrl from '@wllama/wllama/esm/wasm/wllama.wasm?url';
import { answerFailure, loadFailure, NOT_THERE, obstacleTo } from './failure';

/**
 * Without a graphics card, which computes what is a little different on each machine. Of 2048 tokens, those of the prompt and of
 * what is said are kept. The same prompt has the same answer.
 */
const SETTINGS: LoadModelParams = { n_gpu_layers: 0, n_ctx: 2048, n_parallel: 1, seed: 42, reasoning_format: 'none' };
const MOST_TOKENS = 256;
/** Lines of llama.cpp's log that are kept: the first ones say what was wrong. */
const MOST_LINES = 40;

/** What a model does with text: goes on with it, answers it by its chat template, or turns it into numbers. */
export type TrialKind = 'text' | 'chat' | 'embedding';

export interface LoadedModel {
  readonly kind: TrialKind;
  /** Gives what the model says, piece by piece, until it is done or the signal fires. */
  generate(prompt: string, signal: AbortSignal): AsyncIterable<string>;
  /** The vector of a text. */
  embed(text: string): Promise<readonly number[]>;
  close(): Promise<void>;
}

/**
 * Opens a file that is read as it is needed where the browser's WebAssembly can wait for that. Rejects with a sentence where the
 * browser or llama.cpp cannot open it. The signal ends it at any time.
 */
export async function openInLlama(file: File, signal: AbortSignal): Promise<LoadedModel> {
  const obstacle = obstacleTo(file.size, { hasMemory64: hasMemory64() });
  if (obstacle !== null) throw new Error(obstacle);
  await fetchProgram(signal);
  const loaded = await load(file, false, signal);
  const kind = kindOf(loaded.metadata);
  if (kind !== 'embedding') return new Opened(loaded, kind);
  await loaded.wllama.exit();
  return new Opened(await load(file, true, signal), kind);
}

/** Has the browser keep the program, for the worker to find it: where that finds none, wllama waits for ever. */
async function fetchProgram(signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(wasmUrl, { signal });
    if (!response.ok) throw new Error(response.statusText);
    await response.arrayBuffer();
  } catch (error) {
    throw signal.aborted ? error : new Error(NOT_THERE);
  }
}

interface Loaded {
  readonly wllama: Wllama;
  readonly log: Log;
  readonly metadata: Readonly<Record<string, string>>;
}

async function load(file: File, embeddings: boolean, signal: AbortSignal): Promise<Loaded> {
  const log = new Log();
  const wllama = new Wllama({ default: wasmUrl }, { logger: log });
  // What it takes in browsers without 64-bit memory lies on a server of others.
  wllama.setCompat(null);
  const ended = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(new DOMException('The try has ended.', 'AbortError'));
    });
  });
  try {
    signal.throwIfAborted();
    await Promise.race([wllama.loadModel([file], { ...SETTINGS, embeddings }), ended, log.crash]);
    const info: LoadedContextInfo & { readonly success?: boolean } = wllama.getLoadedContextInfo();
    if (info.success === false) throw new Error('llama.cpp does not open the file');
    if (info.has_encoder) throw new Error('a model with an encoder and a decoder cannot be tried in this page');
    return { wllama, log, metadata: info.metadata };
  } catch (error) {
    await wllama.exit();
    throw signal.aborted ? error : new Error(loadFailure(log.lines, error));
  }
}

/** What the pairs of a GGUF say about it. */
function kindOf(metadata: Readonly<Record<string, string>>): TrialKind {
  const about = (key: string): string | undefined => metadata[`${metadata['general.architecture'] ?? ''}.${key}`];
  const pooling = about('pooling_type') ?? '0';
  if (about('attention.causal') === 'false' || pooling !== '0') return 'embedding';
  return metadata['tokenizer.chat_template'] === undefined ? 'text' : 'chat';
}

class Opened implements LoadedModel {
  readonly kind: TrialKind;
  readonly #wllama: Wllama;
  readonly #log: Log;

  constructor({ wllama, log }: Loaded, kind: TrialKind) {
    this.#wllama = wllama;
    this.#log = log;
    this.kind = kind;
  }

  async *generate(prompt: string, signal: AbortSignal): AsyncIterable<string> {
    this.#log.lines.length = 0;
    try {
      yield* this.#pieces(prompt, signal);
    } catch (error) {
      throw signal.aborted ? error : new Error(answerFailure(this.#log.lines, error));
    }
  }

  async *#pieces(prompt: string, signal: AbortSignal): AsyncIterable<string> {
    const settings = { stream: true, max_tokens: MOST_TOKENS, abortSignal: signal } as const;
    if (this.kind === 'chat') {
      const messages = [{ role: 'user', content: prompt } as const];
      for await (const { choices } of await this.#wllama.createChatCompletion({ ...settings, messages })) {
        yield choices[0]?.delta.content ?? '';
      }
    } else {
      for await (const { choices } of await this.#wllama.createCompletion({ ...settings, prompt })) {
        yield choices[0]?.text ?? '';
      }
    }
  }

  async embed(text: string): Promise<readonly number[]> {
    const { data } = await this.#wllama.createEmbedding({ input: text });
    const vector = data[0]?.embedding;
    return Array.isArray(vector) ? vector : [];
  }

  close(): Promise<void> {
    return this.#wllama.exit();
  }
}

/** Keeps what llama.cpp complains about: its functions return no reasons. */
class Log implements WllamaLogger {
  readonly lines: string[] = [];
  /** Rejects when the worker itself does not run: nothing else would tell. */
  readonly crash: Promise<never>;
  /** Also called as a function, and as the listener for the worker's errors. */
  readonly error: (...parts: readonly unknown[]) => void;
  readonly debug = ignore;
  readonly log = ignore;
  readonly warn = ignore;

  constructor() {
    let reject: (error: Error) => void = ignore;
    this.crash = new Promise((_resolve, fail) => {
      reject = fail;
    });
    this.crash.catch(ignore);
    this.error = (...parts) => {
      const [first] = parts;
      if (this.lines.length < MOST_LINES) this.lines.push(parts.map(String).join(' '));
      if (first instanceof ErrorEvent) reject(new Error(first.message || 'its worker does not start'));
    };
  }
}

const ignore = (): void => undefined;

function hasMemory64(): boolean {
  try {
    return Boolean(new WebAssembly.Memory({ address: 'i64', initial: 1n } as unknown as WebAssembly.MemoryDescriptor));
  } catch {
    return false;
  }
}
