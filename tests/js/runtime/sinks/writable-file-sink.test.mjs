import { expect, test } from '@jest/globals';
import { File } from 'node:buffer';
import { nodeFiles } from '../../support/internals.mjs';

const goOn = () => undefined;

/**
 * A FileSystemFileHandle as the File System Standard describes it, as far as it is used: what is written shows when the
 * stream is closed; writes beyond the end fill with zeros; shared memory is refused.
 */
class MemoryFileHandle {
  kind = 'file';
  name = 'out.gguf';
  contents = Uint8Array.from([7, 7, 7]);
  openStreams = 0;

  async getFile() {
    return new File([this.contents], this.name);
  }

  async isSameEntry(other) {
    return other === this;
  }

  async createWritable() {
    ++this.openStreams;
    return new MemoryWritable(this);
  }
}

class MemoryWritable {
  locked = false;
  #handle;
  #swap = new Uint8Array();
  #ended = false;

  constructor(handle) {
    this.#handle = handle;
  }

  async write({ type, position, data }) {
    if (this.#ended || type !== 'write') throw new TypeError('the stream is closed');
    if (Object.prototype.toString.call(data.buffer) !== '[object ArrayBuffer]') throw new TypeError('shared');
    if (position + data.length > this.#swap.length) await this.truncate(position + data.length);
    this.#swap.set(data, position);
  }

  async seek() {
    throw new Error('not needed');
  }

  async truncate(size) {
    if (this.#ended) throw new TypeError('the stream is closed');
    if (size > 1_000_000) throw new DOMException('too much', 'QuotaExceededError');
    const resized = new Uint8Array(size);
    resized.set(this.#swap.subarray(0, size));
    this.#swap = resized;
  }

  async close() {
    if (this.#ended) throw new TypeError('the stream is closed');
    this.#end();
    this.#handle.contents = this.#swap;
  }

  async abort() {
    this.#end();
  }

  #end() {
    this.#ended = true;
    --this.#handle.openStreams;
  }
}

const shared = (...values) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(values.length));
  bytes.set(values);
  return bytes;
};
const open = (sink, plan) => nodeFiles.openSink(sink, { inputs: [], ...plan });

test.each(['handle', 'stream'])('a %s takes bytes at any position when it is committed', async (kind) => {
  const handle = new MemoryFileHandle();
  const stream = kind === 'handle' ? handle : await handle.createWritable();
  // What a stream has been given before does not shine through.
  if (kind === 'stream') await stream.write({ type: 'write', position: 0, data: new Uint8Array(8).fill(9) });
  const sink = await open(stream, { bytes: 6 });
  expect([sink.name, sink.holds]).toEqual([kind === 'handle' ? 'out.gguf' : 'the writable file', true]);
  const late = shared(5);
  await Promise.all([sink.write(late, 5), sink.write(shared(1, 2), 1)]);
  late.fill(0);
  expect([...handle.contents]).toEqual([7, 7, 7]);
  await sink.commit(goOn);
  expect([...handle.contents]).toEqual([0, 1, 2, 0, 0, 5]);
  await sink.discard();
  await expect(sink.write(shared(1), 0)).rejects.toMatchObject({ code: 'unwritable_output' });
  expect(handle.openStreams).toBe(0);
});

test('a file stays as it was after discard(), and after an abort before the commit', async () => {
  const handle = new MemoryFileHandle();
  for (const end of ['discard', 'commit']) {
    const sink = await open(handle, { bytes: 6 });
    await sink.write(shared(1), 0);
    const reason = new Error('no');
    const refuse = () => {
      throw reason;
    };
    if (end === 'commit') await expect(sink.commit(refuse)).rejects.toBe(reason);
    await sink.discard(reason);
    await sink.discard(reason);
    expect([...handle.contents]).toEqual([7, 7, 7]);
    expect(handle.openStreams).toBe(0);
  }
});

test('refuses its own input, a quota that is too small, a missing permission, a closed stream, a locked one', async () => {
  const handle = new MemoryFileHandle();
  const input = await nodeFiles.openSource(handle);
  const call = open(handle, { bytes: 6, inputs: [input] });
  await expect(call).rejects.toMatchObject({ code: 'unwritable_output', file: 'out.gguf' });
  await expect(call).rejects.toThrow(/it is the input/);
  await (await open(new MemoryFileHandle(), { bytes: 6, inputs: [input] })).discard();

  await expect(open(handle, { bytes: 2_000_000 })).rejects.toMatchObject({ code: 'disk_full', file: 'out.gguf' });
  expect(handle.openStreams).toBe(0);

  const stream = await handle.createWritable();
  await stream.close();
  await expect(open(stream, { bytes: 6 })).rejects.toMatchObject({ code: 'unwritable_output' });
  stream.locked = true;
  await expect(open(stream, { bytes: 6 })).rejects.toThrow(/is locked/);

  handle.createWritable = () => Promise.reject(new DOMException('', 'NotAllowedError'));
  await expect(open(handle, { bytes: 6 })).rejects.toThrow(/permission denied/);
  handle.createWritable = undefined;
  await expect(open(handle, { bytes: 6 })).rejects.toThrow(/give a WritableStream/);
});
