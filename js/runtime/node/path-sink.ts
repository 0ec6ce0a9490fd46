import path from 'node:path';
import type { ByteSink, SinkPlan } from '../../io/byte-io.js';
import { checkAborted, unwritable, writeFailure } from '../failures.js';
import { checkTarget, checkTargetsRoom, syncFolder, type Target } from './target.js';
import { removeManifests, writeManifest, type Manifest } from './part-files.js';
import { partialName, removeOrphans } from './partial-files.js';
import { openResumable, removeLeftovers, type Resumption } from '../resume/resume.js';
import { createUnfinished, type UnfinishedFile } from '../resume/unfinished-file.js';
import { remember } from '../resume/unfinished.js';

/** How the files of a sink are written. */
interface Ways {
  readonly tidy: () => Promise<void>;
  readonly durable: boolean;
  readonly manifest: Manifest | null;
  readonly signal: AbortSignal | undefined;
}

/** One file or several, given by path, which take their names together. */
export class PathSink implements ByteSink {
  readonly name: string;
  readonly holds = false;
  readonly files: readonly UnfinishedFile[];
  readonly #resumption: Resumption | null;
  /** Removes what this run or others have left beside the output. */
  readonly #tidy: () => Promise<void>;
  readonly #durable: boolean;
  /** What says of a part what it is; null for whole outputs. */
  readonly #manifest: Manifest | null;
  readonly #signal: AbortSignal | undefined;
  #written: UnfinishedFile | null = null;
  #ended = false;

  constructor(
    name: string,
    files: readonly UnfinishedFile[],
    resumption: Resumption | null,
    { tidy, durable, manifest, signal }: Ways,
  ) {
    this.name = name;
    this.files = files;
    this.#resumption = resumption;
    this.#tidy = tidy;
    this.#durable = durable;
    this.#manifest = manifest;
    this.#signal = signal;
  }

  get completed(): ReadonlySet<string> {
    return this.#resumption?.completed ?? new Set();
  }

  reserve(): Promise<void> {
    return Promise.resolve();
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.files[0]?.write(bytes, position);
  }

  async complete(tensor: string): Promise<void> {
    try {
      await this.#resumption?.complete(tensor);
    } catch (error) {
      throw writeFailure(this.name, error);
    }
  }

  stop(): void {
    // No write waits for other bytes.
  }

  async commit(proceed: () => void): Promise<void> {
    if (this.#ended) throw unwritable(this.name, 'it is closed');
    proceed();
    await this.#resumption?.settle();
    for (const file of this.files) await file.finish();
    if (this.#manifest !== null) this.#written = await this.#writeManifest(this.#manifest);
    proceed();
    const files = [...this.files, ...(this.#written === null ? [] : [this.#written])];
    for (const file of files) await file.reveal();
    if (this.#manifest === null) await removeManifests(this.files);
    this.#ended = true;
    if (this.#durable) await syncFolders(files.map(({ target }) => target));
    await this.#tidy();
  }

  async #writeManifest(manifest: Manifest): Promise<UnfinishedFile> {
    try {
      return await writeManifest(manifest, this.files, { durable: this.#durable, signal: this.#signal });
    } catch (error) {
      throw writeFailure(manifest.target.name, error);
    }
  }

  async discard(cause?: unknown): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#written?.remove();
    if (this.#resumption !== null && (await this.#resumption.isWorthKeeping(cause))) {
      await Promise.all(this.files.map((file) => file.close()));
      await this.#resumption.keep();
      return;
    }
    await Promise.all(this.files.map((file) => file.remove()));
    await this.#resumption?.remove();
  }
}

async function syncFolders(files: readonly string[]): Promise<void> {
  for (const folder of new Set(files.map((file) => path.dirname(file)))) await syncFolder(folder);
}

/** Prepares the file at `name`, or the planned files beside it. */
export async function openPathSink(name: string, plan: SinkPlan): Promise<ByteSink> {
  checkAborted(plan.signal);
  try {
    const targets: Target[] = [];
    for (const { name: file, bytes } of filesOf(name, plan)) targets.push(await checkTarget(file, bytes, plan.inputs));
    const manifest = await manifestOf(name, plan);
    await removeOrphans([...targets, ...(manifest === null ? [] : [manifest.target])].map((target) => target.path));
    const [first] = targets;
    const main = plan.files === undefined && first !== undefined ? first.path : path.resolve(name);
    const { durable = true, signal } = plan;
    const ways = { durable, manifest, signal };
    if (plan.resume === undefined) {
      const tidy = (): Promise<void> => removeLeftovers(main, targets);
      return new PathSink(name, await openFresh(targets, durable), null, { ...ways, tidy });
    }
    const { files, resumption } = await openResumable(main, targets, plan.resume.fingerprint);
    return new PathSink(name, files, resumption, { ...ways, durable: true, tidy: () => resumption.remove() });
  } catch (error) {
    throw writeFailure(name, error);
  }
}

async function manifestOf(name: string, { part, inputs }: SinkPlan): Promise<Manifest | null> {
  if (part === undefined) return null;
  const { name: own, textOf } = part.manifest;
  return { target: await checkTarget(path.join(path.dirname(name), path.basename(own)), 0, inputs), textOf };
}

const filesOf = (
  name: string,
  { files, bytes }: SinkPlan,
): readonly { readonly name: string; readonly bytes: number }[] =>
  files?.map((file) => ({ name: path.join(path.dirname(name), path.basename(file.name)), bytes: file.bytes })) ?? [
    { name, bytes },
  ];

async function openFresh(targets: readonly Target[], durable: boolean): Promise<readonly UnfinishedFile[]> {
  await checkTargetsRoom(targets);
  const files: UnfinishedFile[] = [];
  try {
    for (const target of targets) {
      const file = await createUnfinished(
        target,
        path.join(path.dirname(target.path), partialName(target.path)),
        durable,
      );
      remember(file.temporary);
      files.push(file);
    }
    return files;
  } catch (error) {
    await Promise.all(files.map((file) => file.remove()));
    throw error;
  }
}
