import { endpointName, type NodeFileHandle } from '../../endpoints.js';
import type { SinkPlan } from '../../io/byte-io.js';
import { checkAborted, codeOf, unwritable, writeFailure } from '../failures.js';
import { isInput } from './source.js';
import { checkSinglePlan, RandomAccessSink, type OpenFile, type SingleSink } from '../sinks/single-sink.js';

/** Writes all of `bytes`. */
export async function writeAll(handle: NodeFileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** A file that the caller has opened for writing, and will close. There is no name to take: it is empty after a failure. */
const callersFile = (handle: NodeFileHandle): OpenFile => ({
  isRevocable: true,
  write: (bytes, position) => writeAll(handle, bytes, position),
  finish: () => handle.sync(),
  drop: () => handle.truncate(0),
});

/** Empties the file; rejects when the handle cannot be written to at any position. */
export async function openNodeHandleSink(handle: NodeFileHandle, plan: SinkPlan): Promise<SingleSink> {
  const name = endpointName(handle);
  checkSinglePlan(name, plan);
  checkAborted(plan.signal);
  try {
    const about = await handle.stat({ bigint: true });
    if (!about.isFile()) throw new Error('it is not a regular file');
    if (isInput(about, plan.inputs)) throw new Error('it is the input');
    await handle.truncate(0);
    // A handle opened for appending writes elsewhere than it is told to, without a word.
    if (plan.bytes > 0) await writeAll(handle, new Uint8Array(1), plan.bytes - 1);
    if ((await handle.stat({ bigint: true })).size !== BigInt(plan.bytes)) {
      throw new Error("it appends; open it with the flag 'w' or 'r+'");
    }
    return new RandomAccessSink(name, callersFile(handle));
  } catch (error) {
    // What ftruncate() says of a descriptor that is for reading.
    throw codeOf(error) === 'EINVAL' ? unwritable(name, 'it is not open for writing') : writeFailure(name, error);
  }
}
