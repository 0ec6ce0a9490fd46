/** What people do on the page. */

import { batch } from '@preact/signals';
import type { Given } from './dropped';
import { EngineClient, EngineError } from './engine/client';
import type { Progress, Source, Target } from './engine/protocol';
import * as format from './format';
import { absolute, HUB_URL, named, nameOf, obstacleTo, withoutQuery } from './hosts';
import { isFolder, outputsFor } from './outputs';
import { LANGUAGE_FOLDER, type SampleKind } from './sample/samples.mjs';
import { outputName, PROGRAM_TITLES, quantizeOptions, type Settings } from './settings';
import {
  announcement,
  engine,
  isBusy,
  model,
  plan,
  planIsStale,
  reports,
  result,
  run,
  settings,
  view,
  type OtherPrograms,
} from './store';
import { download, pickFile, pickFolder, type TargetKind } from './targets';
import { endTrial } from './trial/actions';

/** Milliseconds without a change before a new plan is asked for. */
const PLAN_DELAY = 120;

const client = new EngineClient();
client.onProgress = takeProgress;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const codeOf = (error: unknown): string | null => (error instanceof EngineError ? error.code : null);

export async function startEngine(): Promise<void> {
  try {
    engine.value = { status: 'ready', info: await client.ask('start', {}) };
  } catch (error) {
    engine.value = { status: 'failed', message: messageOf(error) };
  }
}

/** Counts openings: what belongs to an earlier one comes too late. */
let opening = 0;

/** What files of models end with; others lie beside them. */
const MODEL_ENDING = /\.(?:safetensors|gguf|onnx|ckpt|pth?|bin)$/i;

export async function openFiles({ files, paths, folder }: Given): Promise<void> {
  const [first] = files;
  if (isBusy.value || (first === undefined && folder === null)) return;
  const entry =
    files.find(({ name }) => name.endsWith('.index.json')) ??
    files.find(({ name }) => MODEL_ENDING.test(name)) ??
    first;
  const name = folder ?? entry?.name ?? '';
  await open(name, () =>
    entry === undefined
      ? Promise.reject(new Error('There are no files in the folder.'))
      : Promise.resolve({ files, paths }),
  );
}

/** Opens what lies on a server. The token is kept as long as the model is open, and nowhere but in memory. */
export async function openAddress(given: string, accessToken: string): Promise<void> {
  const address = named(given);
  if (address === '' || isBusy.value) return;
  const obstacle = obstacleTo(address);
  if (obstacle !== null) {
    ++opening;
    batch(() => {
      forgetModel();
      model.value = { status: 'failed', name: withoutQuery(address), message: obstacle };
    });
    void client.ask('close', {});
    return;
  }
  const token = accessToken === '' ? null : accessToken;
  const source = { address: absolute(address), accessToken: token, hubUrl: HUB_URL };
  await open(nameOf(address), () => Promise.resolve(source));
}

export async function openSample(kind: SampleKind): Promise<void> {
  const name = kind === 'language' ? LANGUAGE_FOLDER : 'the sample';
  if (!isBusy.value) await open(name, () => client.ask('makeSample', { kind }));
}

async function open(what: string, getSource: () => Promise<Source>): Promise<void> {
  const mine = ++opening;
  batch(() => {
    forgetModel();
    model.value = { status: 'opening', what };
  });
  try {
    const source = await getSource();
    // The worker would take it for the newest.
    if (mine !== opening) return;
    const inspection = await client.ask('open', { source });
    if (mine !== opening) return;
    const files = 'address' in source ? null : source.files;
    const bytes = files?.reduce((sum, { size }) => sum + size, 0) ?? inspection.bytes;
    const name = files?.length === 1 ? (files[0]?.name ?? what) : what;
    const outputs = outputsFor(inspection.container);
    const [usual] = outputs;
    batch(() => {
      model.value = { status: 'open', name, bytes, inspection };
      const isOffered = outputs.includes(settings.value.output);
      if (!isOffered && usual !== undefined) settings.value = { ...settings.value, output: usual };
    });
    announcement.value = `${name}: ${String(inspection.tensors.length)} tensors, ${format.bytes(bytes)}.`;
    await makePlan();
  } catch (error) {
    if (mine !== opening) return;
    model.value = { status: 'failed', name: what, message: messageOf(error) };
  }
}

export function closeModel(): void {
  if (isBusy.value) return;
  ++opening;
  batch(forgetModel);
  void client.ask('close', {});
}

function forgetModel(): void {
  model.value = { status: 'none' };
  plan.value = { status: 'none' };
  run.value = { status: 'idle' };
  reports.value = new Map();
  result.value = null;
  view.value = { status: 'none' };
  endTrial();
  // That no program need open it was said of this model, and the importance matrix is its own.
  const architecture = settings.value.architecture === 'none' ? null : settings.value.architecture;
  settings.value = { ...settings.value, architecture, imatrix: null };
}

let planTimer: ReturnType<typeof setTimeout> | undefined;

export function changeSettings(change: Partial<Settings>): void {
  batch(() => {
    settings.value = { ...settings.value, ...change };
    planIsStale.value = model.value.status === 'open';
    // What the list says about errors belongs to other settings now.
    reports.value = new Map();
    if (!isBusy.value) run.value = { status: 'idle' };
  });
  clearTimeout(planTimer);
  planTimer = setTimeout(() => void makePlan(), PLAN_DELAY);
}

async function makePlan(): Promise<void> {
  if (model.value.status !== 'open') return;
  const [mine, wanted] = [opening, settings.value];
  const isCurrent = (): boolean => mine === opening && wanted === settings.value;
  try {
    const made = await client.ask('plan', { options: quantizeOptions(wanted) });
    if (isCurrent()) plan.value = { status: 'ready', plan: made, settings: wanted };
  } catch (error) {
    const [code, message] = [codeOf(error), messageOf(error)];
    const other = code === 'unsupported_model' ? await otherPrograms(wanted) : null;
    if (isCurrent()) plan.value = { status: 'failed', code, message, other };
  }
  if (isCurrent()) planIsStale.value = false;
}

/** The programs that would open the model with the other choice; null where none is known to. */
async function otherPrograms(wanted: Settings): Promise<OtherPrograms | null> {
  for (const [program] of PROGRAM_TITLES.filter(([one]) => one !== wanted.program)) {
    const options = quantizeOptions({ ...wanted, program, architecture: null });
    const opensIn = await client.ask('plan', { options }).then(
      (made) => made.opensIn,
      () => [],
    );
    if (opensIn.length > 0) return { program, opensIn };
  }
  return null;
}

export async function quantize(kind: TargetKind): Promise<void> {
  const [current, planned] = [model.value, plan.value];
  if (current.status !== 'open' || planned.status !== 'ready' || isBusy.value) return;
  const name = outputName(current.name, planned.settings);
  try {
    const target = await targetFor(kind, name, isFolder(planned.settings.output));
    if (target === null) return;
    batch(() => {
      endTrial();
      run.value = { status: 'running', progress: null, cancelling: false };
      reports.value = new Map();
      result.value = null;
      view.value = { status: 'none' };
      announcement.value = 'Quantizing has begun.';
    });
    const outcome = await client.ask('quantize', { options: quantizeOptions(planned.settings), target });
    batch(() => {
      run.value = { status: 'done' };
      reports.value = new Map(outcome.report.tensors.map((report) => [report.name, report]));
      result.value = { ...outcome, plan: planned.plan };
      const { bytesBefore, fileBytes, seconds } = outcome.report.totals;
      announcement.value = `Done in ${format.duration(seconds)}: ${format.bytes(bytesBefore)} became ${format.bytes(fileBytes)}.`;
    });
    showWorstLayer();
  } catch (error) {
    const aborted = codeOf(error) === 'aborted';
    run.value = aborted ? { status: 'cancelled' } : { status: 'failed', message: messageOf(error) };
    announcement.value = aborted ? 'Cancelled. Nothing was kept.' : messageOf(error);
  }
}

/** Null when the person has changed their mind. */
async function targetFor(kind: TargetKind, name: string, isOfFolder: boolean): Promise<Target | null> {
  if (kind === 'disk') {
    const handle = await pickFile(name);
    return handle === null ? null : { kind, handle };
  }
  if (kind === 'folder') {
    const parent = await pickFolder();
    return parent === null ? null : { kind, parent, name };
  }
  return { kind, name, isFolder: isOfFolder };
}

export function cancel(): void {
  const current = run.value;
  if (current.status !== 'running') return;
  run.value = { ...current, cancelling: true };
  void client.ask('cancel', {});
}

function takeProgress(progress: Progress): void {
  const current = run.value;
  if (current.status !== 'running') return;
  batch(() => {
    run.value = { ...current, progress };
    if (progress.reports.length === 0) return;
    reports.value = new Map([...reports.value, ...progress.reports.map((report) => [report.name, report] as const)]);
  });
  announceQuarters(current.progress, progress);
}

/** A screen reader is told of every quarter; the bar itself has the rest. */
function announceQuarters(before: Progress | null, now: Progress): void {
  const quarter = ({ doneBytes, totalBytes }: Progress): number =>
    Math.floor((4 * doneBytes) / Math.max(1, totalBytes));
  const reached = quarter(now);
  if (reached > (before === null ? 0 : quarter(before)) && reached < 4) {
    announcement.value = `${String(reached * 25)} percent done.`;
  }
}

/** The layer that people will want to look at first. */
function showWorstLayer(): void {
  const worst = [...reports.value.values()].reduce<{ name: string; error: number } | null>((found, report) => {
    const error = report.relativeRmse ?? -1;
    return error > (found?.error ?? 0) ? { name: report.name, error } : found;
  }, null);
  const first = result.value?.report.tensors[0]?.name;
  const name = worst?.name ?? first;
  if (name !== undefined) void selectLayer(name);
}

export async function selectLayer(name: string): Promise<void> {
  const planned = result.value?.plan.tensors.find((tensor) => tensor.name === name);
  if (planned === undefined) return;
  view.value = { status: 'loading', name };
  const isCurrent = (): boolean => view.value.status === 'loading' && view.value.name === name;
  try {
    const { outputName: renamed, shape } = planned;
    const made = await client.ask('viewLayer', { name, outputName: renamed, shape });
    if (isCurrent()) view.value = { status: 'ready', name, view: made };
  } catch (error) {
    if (isCurrent()) view.value = { status: 'failed', name, message: messageOf(error) };
  }
}

export function downloadResult(): void {
  const made = result.value;
  if (made !== null && made.file !== null) download(made.file, made.file.name);
}

export function downloadReport(): void {
  const made = result.value;
  if (made === null) return;
  const text = `${JSON.stringify(made.report, null, 2)}\n`;
  download(new Blob([text], { type: 'application/json' }), `${made.name}.report.json`);
}
