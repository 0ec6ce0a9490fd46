import { endpointName, type WebFileHandle, type WritableFile } from '../../endpoints.js';
import type { SinkPlan } from '../../io/byte-io.js';
import { BlobSource } from '../sources/blob-source.js';
import { CopyingSink } from './copying-sink.js';
import { checkAborted, unwritable, writeFailure } from '../failures.js';
import { checkSinglePlan, type SingleSink } from './single-sink.js';
import { unlessAborted } from '../unless-aborted.js';

/** Rejects for streams that are closed or locked; what the file held before is dropped when the sink is committed. */
export function openWritableFile(file: WritableFile, plan: SinkPlan): Promise<SingleSink> {
  return openNamed(file, plan, endpointName(file), false);
}

async function openNamed(
  file: WritableFile,
  plan: SinkPlan,
  name: string,
  waitsForAbort: boolean,
): Promise<SingleSink> {
  checkSinglePlan(name, plan);
  if (file.locked) throw unwritable(name, 'the stream is locked: its writer has to be released first');
  try {
    // To nothing first, so that positions that are never written are zero.
    await unlessAborted(plan.signal, () => file.truncate(0));
    await unlessAborted(plan.signal, () => file.truncate(plan.bytes));
  } catch (error) {
    throw writeFailure(name, error);
  }
  const write = (data: Uint8Array<ArrayBuffer>, position: number): Promise<void> =>
    file.write({ type: 'write', position, data });
  const target = { write, close: () => file.close(), abort: (cause: unknown) => file.abort(cause), waitsForAbort };
  return new CopyingSink(name, target, plan);
}

/** The file changes when the sink is committed, and not before. */
export async function openWebHandleSink(handle: WebFileHandle, plan: SinkPlan): Promise<SingleSink> {
  const { name } = handle;
  const { signal, inputs } = plan;
  checkSinglePlan(name, plan);
  let file: WritableFile | null = null;
  try {
    for (const input of inputs) {
      const origin = input instanceof BlobSource ? input.origin : null;
      if (origin !== null && (await unlessAborted(signal, () => origin.isSameEntry(handle)))) {
        throw unwritable(name, 'it is the input');
      }
    }
    if (typeof handle.createWritable !== 'function') {
      throw unwritable(name, 'this browser cannot write to file handles; give a WritableStream');
    }
    checkAborted(signal);
    file = await handle.createWritable();
    return await openNamed(file, plan, name, true);
  } catch (error) {
    await file?.abort(error).catch(() => undefined);
    throw writeFailure(name, error);
  }
}
