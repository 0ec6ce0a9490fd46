import { mkdir, readdir, realpath, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ByteSink, SinkPlan } from '../../io/byte-io.js';
import { checkAborted, codeOf, unwritable, writeFailure } from '../failures.js';
import { checkNoOtherModel } from '../folders.js';
import { forget, remember } from '../resume/unfinished.js';
import { openPathSink } from './path-sink.js';
import { NodeSource } from './source.js';

/**
 * Prepares the planned files in the folder at `name`, which is made if it is not there; its parent has to be. They take their
 * names together, and a folder that was made for them is removed again when they are thrown away.
 */
export async function openFolderSink(name: string, plan: SinkPlan): Promise<ByteSink> {
  checkAborted(plan.signal);
  const made = await makeFolder(name, plan);
  const folder = path.resolve(name);
  if (made) remember(folder);
  const end = async (isWritten: boolean): Promise<void> => {
    // What a later run goes on with keeps it.
    if (made && !isWritten) await rmdir(folder).catch(() => undefined);
    forget(folder);
  };
  try {
    const [first] = plan.files ?? [];
    return ending(await openPathSink(path.join(name, first?.name ?? ''), plan), end);
  } catch (error) {
    await end(false);
    throw writeFailure(name, error);
  }
}

/** Whether it was not there, and is this run's alone. */
async function makeFolder(name: string, { files = [], inputs, part }: SinkPlan): Promise<boolean> {
  try {
    const names = part?.allNames ?? files.map((file) => file.name);
    if (await checkFolder(name, names, inputs)) return false;
    await mkdir(name).catch((error: unknown) => {
      // Who writes another part may have been quicker.
      if (part === undefined || codeOf(error) !== 'EEXIST') throw error;
    });
    // Others may be about to write into one that is empty still: it stays.
    return part === undefined;
  } catch (error) {
    throw writeFailure(name, error);
  }
}

/** Throws what speaks against files of those names in a folder called `name`. Whether it is there. */
export async function checkFolder(
  name: string,
  files: readonly string[],
  inputs: SinkPlan['inputs'],
): Promise<boolean> {
  const about = await stat(name).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (about === null) {
    // Its parent has to be there, which this tells.
    await realpath(path.dirname(path.resolve(name)));
    return false;
  }
  if (!about.isDirectory()) throw unwritable(name, 'it is a file, but what is written is a folder');
  await checkNotInput(name, inputs);
  checkNoOtherModel(await readdir(name), files, name);
  return true;
}

async function checkNotInput(name: string, inputs: SinkPlan['inputs']): Promise<void> {
  const folder = await realpath(name);
  for (const input of inputs) {
    if (!(input instanceof NodeSource)) continue;
    const own = await realpath(path.dirname(input.name)).catch(() => null);
    if (own === folder) throw unwritable(name, 'it is the folder of the input');
  }
}

/** The sink, which tells when it has ended, and whether what was written is there. */
const ending = (sink: ByteSink, end: (isWritten: boolean) => Promise<void>): ByteSink => ({
  ...{ name: sink.name, holds: sink.holds, files: sink.files, completed: sink.completed },
  reserve: (position, bytes) => sink.reserve(position, bytes),
  write: (bytes, position) => sink.write(bytes, position),
  complete: (tensor) => sink.complete(tensor),
  stop: (error) => {
    sink.stop(error);
  },
  commit: async (proceed) => {
    await sink.commit(proceed);
    await end(true);
  },
  discard: async (cause) => {
    await sink.discard(cause);
    await end(false);
  },
});
