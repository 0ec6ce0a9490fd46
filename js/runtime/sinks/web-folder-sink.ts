import type { WebFolderHandle } from '../../endpoints.js';
import { QuantizeError, asQuantizeError, quoted } from '../../errors.js';
import { HELD_BYTES, type ByteSink, type ByteWriter, type SinkPlan } from '../../io/byte-io.js';
import { unlessAborted } from '../../io/unless-aborted.js';
import { checkAborted, unwritable, writeFailure } from '../failures.js';
import { checkNoOtherModel } from '../folders.js';
import { namesIn } from '../sources/folder-names.js';
import { BlobSource } from '../sources/blob-source.js';
import type { SingleSink } from './single-sink.js';
import { openWebHandleSink } from './writable-file-sink.js';

/** A file that was not there before has to be made to be written to, with nothing in it. */
interface Made {
  readonly name: string;
  readonly isNew: boolean;
  readonly sink: SingleSink;
}

/** The planned files in a folder that the user has picked, or of the origin's private file system. */
export class WebFolderSink implements ByteSink {
  readonly name: string;
  readonly holds = true;
  readonly files: readonly ByteWriter[];
  readonly completed: ReadonlySet<string> = new Set();
  readonly #folder: WebFolderHandle;
  readonly #made: readonly Made[];

  constructor(folder: WebFolderHandle, made: readonly Made[]) {
    this.name = folder.name;
    this.files = made.map(({ sink }) => sink);
    this.#folder = folder;
    this.#made = made;
  }

  async reserve(position: number, bytes: number): Promise<void> {
    await this.files[0]?.reserve(position, bytes);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.files[0]?.write(bytes, position);
  }

  complete(): Promise<void> {
    return Promise.resolve();
  }

  stop(error: unknown): void {
    for (const { sink } of this.#made) sink.stop(error);
  }

  async commit(proceed: () => void): Promise<void> {
    proceed();
    const replaced: string[] = [];
    for (const { name, isNew, sink } of this.#made) {
      await sink.commit(proceed).catch((error: unknown) => {
        throw replaced.length === 0 ? error : amongOldFiles(error, name, replaced);
      });
      if (!isNew) replaced.push(name);
    }
  }

  async discard(cause?: unknown): Promise<void> {
    for (const { sink } of this.#made) await sink.discard(cause);
    await removeNew(this.#folder, this.#made);
  }
}

/** Prepares the planned files; they change when the sink is committed, and not before. */
export async function openWebFolderSink(folder: WebFolderHandle, plan: SinkPlan): Promise<ByteSink> {
  const { files = [], signal, heldBytes = HELD_BYTES, resume } = plan;
  checkAborted(signal);
  const made: Made[] = [];
  try {
    if (resume !== undefined) throw unwritable(folder.name, 'only what is written to a path can be resumed');
    await checkNotInput(folder, plan);
    const there = await namesIn(folder, signal);
    await checkNoInputIn(folder, there, plan);
    checkNoOtherModel(
      there,
      files.map(({ name }) => name),
      folder.name,
    );
    for (const { name, bytes } of files) {
      const handle = await unlessAborted(signal, () => folder.getFileHandle(name, { create: true }));
      const isNew = !there.includes(name);
      // Where one file ends and the next begins, two of them hold some.
      const own = { bytes, signal, inputs: plan.inputs, heldBytes: Math.ceil(heldBytes / 2) };
      const sink = await openWebHandleSink(handle, own).catch(async (error: unknown) => {
        if (isNew) await folder.removeEntry(name).catch(() => undefined);
        throw error;
      });
      made.push({ name, isNew, sink });
    }
    return new WebFolderSink(folder, made);
  } catch (error) {
    for (const { sink } of made) await sink.discard(error);
    await removeNew(folder, made);
    throw writeFailure(folder.name, error);
  }
}

async function checkNotInput(folder: WebFolderHandle, { inputs, signal }: SinkPlan): Promise<void> {
  for (const input of inputs) {
    const origin = input instanceof BlobSource ? input.folder : null;
    if (origin !== null && (await unlessAborted(signal, () => origin.isSameEntry(folder)))) {
      throw unwritable(folder.name, 'it is the folder of the input');
    }
  }
}

/** Files that were picked one by one do not tell their folder: one that has the same name, size and time is the same. */
async function checkNoInputIn(
  folder: WebFolderHandle,
  there: readonly string[],
  { inputs, signal }: SinkPlan,
): Promise<void> {
  for (const input of inputs) {
    if (!(input instanceof BlobSource) || input.folder !== null || !there.includes(input.fileName)) continue;
    const handle = await unlessAborted(signal, () => folder.getFileHandle(input.fileName));
    const file = await unlessAborted(signal, () => handle.getFile());
    if (new BlobSource(file).version !== input.version) continue;
    throw unwritable(folder.name, `it has the file ${quoted(input.fileName)} of the input in it; give another folder`);
  }
}

/** Browsers cannot replace files together: whoever reads the error has to know that the folder is of two models now. */
function amongOldFiles(cause: unknown, file: string, replaced: readonly string[]): unknown {
  const { code } = asQuantizeError(cause, 'unwritable_output', { file });
  if (code !== 'disk_full' && code !== 'unwritable_output') return cause;
  const detail = `${replaced.map(quoted).join(', ')} beside it are new already, and what else was there is old: write to a new folder`;
  return new QuantizeError(code, { file, detail, cause });
}

async function removeNew(folder: WebFolderHandle, made: readonly Made[]): Promise<void> {
  for (const { name, isNew } of made) if (isNew) await folder.removeEntry(name).catch(() => undefined);
}
