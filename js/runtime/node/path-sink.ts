import path from 'node:path';
import type { ByteSink, SinkPlan } from '../../io/byte-io.js';
import { checkAborted, unwritable, writeFailure } from '../failures.js';
import { checkTarget, checkTargetsRoom, syncFolder, type Target } from './target.js';
import { partialName, removeOrphans } from './partial-files.js';
import { openResumable, removeLeftovers, type Resumption } from '../resume/resume.js';
import { createUnfinished, type UnfinishedFile } from '../resume/unfinished-file.js';
import { remember } from '../resume/unfinished.js';

/** One file or several, given by path, which take their names together. */
export class PathSink implements ByteSink {
  readonly name: string;
  readonly holds = false;
  readonly files: readonly UnfinishedFile[];
  readonly #resumption: Resumption | null;
  /** Removes what this run or others have left beside the output. */
  readonly #tidy: () => Promise<void>;
  #ended = false;

  constructor(
    name: string,
    files: readonly UnfinishedFile[],
    resumption: Resumption | null,
    tidy: () => Promise<void>,
  ) {
    this.name = name;
    this.files = files;
    this.#resumption = resumption;
    this.#tidy = tidy;
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
    proceed();
    for (const file of this.files) await file.reveal();
    this.#ended = true;
    for (const folder of new Set(this.files.map(({ target }) => path.dirname(target)))) await syncFolder(folder);
    await this.#tidy();
  }

  async discard(cause?: unknown): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#resumption !== null && (await this.#resumption.isWorthKeeping(cause))) {
      await Promise.all(this.files.map((file) => file.close()));
      await this.#resumption.keep();
      return;
    }
    await Promise.all(this.files.map((file) => file.remove()));
    await this.#resumption?.remove();
  }
}

/** Prepares the file at `name`, or the planned files beside it. */
export async function openPathSink(name: string, plan: SinkPlan): Promise<ByteSink> {
  checkAborted(plan.signal);
  try {
    const targets: Target[] = [];
    for (const { name: file, bytes } of filesOf(name, plan)) targets.push(await checkTarget(file, bytes, plan.inputs));
    await removeOrphans(targets.map((target) => target.path));
    const [first] = targets;
    const main = plan.files === undefined && first !== undefined ? first.path : path.resolve(name);
    if (plan.resume === undefined) {
      return new PathSink(name, await openFresh(targets), null, () => removeLeftovers(main, targets));
    }
    const { files, resumption } = await openResumable(main, targets, plan.resume.fingerprint);
    return new PathSink(name, files, resumption, () => resumption.remove());
  } catch (error) {
    throw writeFailure(name, error);
  }
}

const filesOf = (
  name: string,
  { files, bytes }: SinkPlan,
): readonly { readonly name: string; readonly bytes: number }[] =>
  files?.map((file) => ({ name: path.join(path.dirname(name), path.basename(file.name)), bytes: file.bytes })) ?? [
    { name, bytes },
  ];

async function openFresh(targets: readonly Target[]): Promise<readonly UnfinishedFile[]> {
  await checkTargetsRoom(targets);
  const files: UnfinishedFile[] = [];
  try {
    for (const target of targets) {
      const file = await createUnfinished(target, path.join(path.dirname(target.path), partialName(target.path)));
      remember(file.temporary);
      files.push(file);
    }
    return files;
  } catch (error) {
    await Promise.all(files.map((file) => file.remove()));
    throw error;
  }
}
