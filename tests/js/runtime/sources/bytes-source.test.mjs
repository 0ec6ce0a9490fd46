import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { BytesSource } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kModel = modelFile([float32Tensor('a.weight', [64, 96], 1), float32Tensor('b.weight', [40, 512], 2)]);
const detach = (bytes) => structuredClone(bytes.buffer ?? bytes, { transfer: [bytes.buffer ?? bytes] });

/** A copy in memory of its own: a Buffer may lie in Node's pool. */
const ownBytes = () => new Uint8Array(kModel);

function sharedBytes() {
  const bytes = new Uint8Array(new SharedArrayBuffer(kModel.length));
  bytes.set(kModel);
  return bytes;
}

function embeddedBytes() {
  const bytes = new Uint8Array(kModel.length + 9);
  bytes.set(kModel, 5);
  return bytes.subarray(5, 5 + kModel.length);
}

function foreign(kind) {
  const bytes = runInNewContext('new Uint8Array(length)', { length: kModel.length });
  bytes.set(kModel);
  return kind === 'bytes' ? bytes : bytes.buffer;
}

test.each([
  ['a Uint8Array', ownBytes],
  ['a part of one', embeddedBytes],
  ['a Buffer', () => Buffer.from(kModel)],
  ['an ArrayBuffer', () => ownBytes().buffer],
  ['a Uint8Array on shared memory', sharedBytes],
  ['a SharedArrayBuffer', () => sharedBytes().buffer],
  ['a Uint8Array of another realm', () => foreign('bytes')],
  ['an ArrayBuffer of another realm', () => foreign('buffer')],
  [
    'what has the two properties of BlobLike, and no more',
    () => ({ size: kModel.length, slice: (from, to) => new Blob([kModel]).slice(from, to) }),
  ],
])('%s is a source of every call, and is left as it was', async (_, make) => {
  const source = make();
  const path = folder.write('in.safetensors', kModel);
  await quantizer.quantizeFile(source, folder.path('out.gguf'), { type: 'Q8_0', architecture: 'none' });
  await quantizer.quantizeFile(path, folder.path('expected.gguf'), { type: 'Q8_0', architecture: 'none' });
  expect(readFileSync(folder.path('out.gguf')).equals(readFileSync(folder.path('expected.gguf')))).toBe(true);
  expect((await quantizer.plan(source)).tensors).toHaveLength(2);
  expect((await quantizer.inspectFile(source)).tensors.map(({ name }) => name)).toEqual(['a.weight', 'b.weight']);
  const { tensors } = await quantizer.compareFiles(source, path);
  expect(tensors.every(({ equal }) => equal)).toBe(true);
  expect(await quantizer.readTensor(source, 'b.weight', { begin: 7, end: 9 })).toEqual(
    await quantizer.readTensor(path, 'b.weight', { begin: 7, end: 9 }),
  );
  const report = await quantizer.dequantizeFile(source, folder.path('back.safetensors'));
  expect(report.input).toBe('size' in source ? 'the Blob' : 'the bytes');
});

test.each([
  ['a Uint8Array', ownBytes],
  ['an ArrayBuffer', () => ownBytes().buffer],
])('%s that has been detached is refused', async (_, make) => {
  const source = make();
  detach(source);
  const sink = folder.path('out.safetensors');
  const expected = { code: 'detached_buffer', file: 'the bytes' };
  await expect(quantizer.quantizeFile(source, sink)).rejects.toMatchObject(expected);
  await expect(quantizer.inspectFile(source)).rejects.toMatchObject({
    message: 'The buffer of the bytes has been detached or has shrunk',
  });
  expect(folder.list()).toEqual([]);
});

test('bytes that are detached in mid-conversion end it, and leave no output', async () => {
  const source = ownBytes();
  const onEvent = ({ type }) => {
    if (type === 'start') detach(source);
  };
  const sink = folder.path('out.safetensors');
  await expect(quantizer.quantizeFile(source, sink, { onEvent })).rejects.toMatchObject({
    code: 'detached_buffer',
    file: 'the bytes',
  });
  expect(folder.list()).toEqual([]);
});

test('bytes are not taken for those of an interrupted run, since nobody says whether they are the same', () => {
  const bytes = ownBytes();
  expect(new BytesSource(bytes).version).not.toBe(new BytesSource(bytes).version);
});

test('bytes end where a model says that it goes on, and have no other shards', async () => {
  const index = new TextEncoder().encode('{"weight_map":{"a":"one.safetensors"}}');
  await expect(quantizer.inspectFile(ownBytes().subarray(0, 1000))).rejects.toMatchObject({ code: 'invalid_file' });
  await expect(quantizer.inspectFile(new Uint8Array(0))).rejects.toMatchObject({ code: 'invalid_file' });
  const file = new BytesSource(index);
  await expect(file.sibling('one.safetensors')).rejects.toMatchObject({ code: 'missing_shard' });
});

test.each([NaN, -1, 2.5, Infinity, '8'])('a Blob of size %p is no source', async (size) => {
  const source = { size, slice: () => new Blob([kModel]) };
  await expect(quantizer.inspectFile(source)).rejects.toMatchObject({ code: 'invalid_option' });
});

test('what only calls itself a buffer is refused', async () => {
  const source = { [Symbol.toStringTag]: 'ArrayBuffer', length: 8 };
  await expect(quantizer.inspectFile(source)).rejects.toMatchObject({ code: 'unreadable_input' });
});
