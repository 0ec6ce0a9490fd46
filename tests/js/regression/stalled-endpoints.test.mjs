import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile, readModel } from '../support/models/safetensors.mjs';
import { gate } from './support/held-reads.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kOfNoFamily = { type: 'Q8_0', architecture: 'none' };
const kNever = new Promise(() => undefined);

/** A Blob of `file` that never gives the bytes for which `stalls(begin, end)`; `asked` opens when they are asked for. */
function stallingBlob(file, stalls) {
  const asked = gate();
  const slice = (begin, end) => ({
    arrayBuffer() {
      if (!stalls(begin, end)) return Promise.resolve(Uint8Array.from(file.subarray(begin, end)).buffer);
      asked.open();
      return kNever;
    },
  });
  return { blob: { size: file.length, slice }, asked };
}

const kModel = modelFile([float32Tensor('x', [256, 1024], 1)]);
const always = () => true;
const isOfWeights = (_, end) => end > 100_000;

test.each([
  ['inspectFile', always, (one, blob, options) => one.inspectFile(blob, options)],
  ['readTensor', isOfWeights, (one, blob, options) => one.readTensor(blob, 'x', options)],
  ['compareFiles', isOfWeights, (one, blob, options) => one.compareFiles(blob, new Blob([kModel]), options)],
  [
    'quantizeFile',
    isOfWeights,
    (one, blob, given) => one.quantizeFile(blob, new WritableStream(), { ...given, ...kOfNoFamily }),
  ],
])('no signal ended %s of a Blob that stalled', async (_, stalls, run) => {
  const { blob, asked } = stallingBlob(kModel, stalls);
  const abort = new AbortController();
  const call = run(quantizer, blob, { signal: abort.signal });
  const outcome = call.catch((error) => error);
  await asked.opened;
  abort.abort('enough');
  expect(await outcome).toMatchObject({ code: 'aborted', cause: 'enough' });
});

test('dispose() did not end a call whose Blob stalled', async () => {
  const one = await ArrowQuant.create({ threads: 1 });
  const { blob, asked } = stallingBlob(kModel, isOfWeights);
  const outcome = one.readTensor(blob, 'x').catch((error) => error);
  await asked.opened;
  await one.dispose();
  expect(await outcome).toMatchObject({ code: 'disposed' });
});

test('a bad weight was never told when a Blob stalled on another tensor', async () => {
  const bad = float32Tensor('bad', [256, 1024], 1);
  bad.bytes.writeFloatLE(Number.NaN, 4 * 700);
  const file = modelFile([bad, float32Tensor('x', [256, 1024], 2)]);
  const { begin } = readModel(file).tensors.get('x');
  const { blob } = stallingBlob(file, (from) => from >= begin);
  const call = quantizer.quantizeFile(blob, folder.path('out.gguf'), kOfNoFamily);
  await expect(call).rejects.toMatchObject({ code: 'not_finite', layer: 'bad', index: 700 });
  expect(folder.list()).toEqual([]);
});

/** A writable file that never takes anything; `asked` opens when it is given more than the header. */
function stallingFile() {
  const asked = gate();
  const file = {
    locked: false,
    write() {
      asked.open();
      return kNever;
    },
    seek: () => Promise.resolve(),
    truncate: () => Promise.resolve(),
    close: () => kNever,
    abort: () => kNever,
  };
  return { file, asked };
}

test('a file that took nothing kept all windows, and no signal ended the conversion', async () => {
  const large = modelFile([float32Tensor('x', [8192, 1024], 1)]);
  const { file, asked } = stallingFile();
  const abort = new AbortController();
  const call = quantizer.quantizeFile(new Blob([large]), file, { bits: 8, rules: [], signal: abort.signal });
  const outcome = call.catch((error) => error);
  await asked.opened;
  expect(await quantizer.readTensor(new Blob([kModel]), 'x')).toHaveLength(256 * 1024);
  abort.abort('enough');
  expect(await outcome).toMatchObject({ code: 'aborted', cause: 'enough' });
});

test('a failure waited for a file that never heard of it', async () => {
  const bad = float32Tensor('bad', [256, 1024], 1);
  bad.bytes.writeFloatLE(Infinity, 0);
  const { file } = stallingFile();
  const call = quantizer.quantizeFile(new Blob([modelFile([bad])]), file, kOfNoFamily);
  await expect(call).rejects.toMatchObject({ code: 'not_finite', layer: 'bad' });
});

test.each([1, 1000])('a stream whose queue takes %d chunks was given more than the limit allows', async (chunks) => {
  const large = modelFile([float32Tensor('x', [8192, 1024], 1)]);
  let given = 0;
  const asked = gate();
  const sink = new WritableStream(
    {
      write(chunk) {
        given += chunk.length;
        asked.open();
        return kNever;
      },
    },
    { highWaterMark: chunks },
  );
  let dealt = 0;
  const onEvent = (event) => {
    if (event.type === 'bytes') dealt = event.done;
  };
  const abort = new AbortController();
  const options = { ...kOfNoFamily, type: 'F32', memoryLimit: 2 ** 24, signal: abort.signal, onEvent };
  const outcome = quantizer.quantizeFile(new Blob([large]), sink, options).catch((error) => error);
  await asked.opened;
  // What can be done without the stream is done by then.
  for (let turn = 0; turn < 300; ++turn) await new Promise((resolve) => setImmediate(resolve));
  expect(given).toBeLessThanOrEqual(2 ** 24);
  expect(dealt).toBeLessThanOrEqual(2 ** 24);
  abort.abort('enough');
  expect(await outcome).toMatchObject({ code: 'aborted' });
});

test('a web page of comments took longer with each of them, without an end', async () => {
  const page = Buffer.from('<!---->'.repeat(5000));
  await expect(quantizer.inspectFile(page)).rejects.toMatchObject({ code: 'invalid_file' });
});

test('a file handle that is named as a shard was written and could not be read again', async () => {
  const handle = { kind: 'file', name: 'm-00001-of-00002.safetensors', getFile: always, isSameEntry: always };
  const call = quantizer.quantizeFile(new Blob([kModel]), handle, { bits: 8 });
  await expect(call).rejects.toMatchObject({ code: 'invalid_option', file: handle.name });
});
