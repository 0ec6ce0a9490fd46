import { readFileSync, writeFileSync } from 'node:fs';
import { TransformStream } from 'node:stream/web';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile, readModel } from '../support/models/safetensors.mjs';
import { answer, rangeOf, useServers } from '../runtime/support/server.mjs';
import { gate, heldHandle, until } from './support/held-reads.mjs';

const folder = useFolder();
const servers = useServers();
const kWeights = 2 ** 18;
const kOfNoFamily = { type: 'Q8_0', architecture: 'none' };
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Where the parts of the quantized tensor `x` of an affine file lie. */
function partsOf(path) {
  const { tensors } = readModel(readFileSync(path));
  return Object.fromEntries([...tensors.values()].map(({ name, begin }) => [name, begin]));
}

async function quantized(name, seed) {
  const source = modelFile([float32Tensor('x', [512, kWeights / 512], seed)]);
  await quantizer.quantizeFile(new Blob([source]), folder.path(name), { bits: 8, rules: [] });
  return folder.path(name);
}

test('a read that went on after another had failed wrote into the window of the next call', async () => {
  const bad = await quantized('bad.safetensors', 1);
  const good = await quantized('good.safetensors', 2);
  const expected = await quantizer.readTensor(good, 'x');
  const [badParts, goodParts] = [partsOf(bad), partsOf(good)];
  const [begun, slow, filled, rest] = [gate(), gate(), gate(), gate()];
  const bodyOf = (parts) => Math.min(...Object.values(parts));

  const failing = await heldHandle(bad, async (position) => {
    if (position < bodyOf(badParts)) return;
    if (position !== badParts.x) throw new Error('the disk has a bad sector');
    begun.open();
    await slow.opened;
  });
  const working = await heldHandle(good, async (position) => {
    if (position < bodyOf(goodParts)) return;
    if (position === goodParts.x) filled.open();
    else await rest.opened;
  });
  const failed = quantizer.readTensor(failing, 'x').catch((error) => error);
  await begun.opened;
  await until(() => failing.reads - failing.done === 1);
  const values = quantizer.readTensor(working, 'x');
  await filled.opened;
  await until(() => working.reads - working.done === 2);
  slow.open();
  await until(() => failing.reads === failing.done);
  rest.open();
  expect(Buffer.from((await values).buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  expect(await failed).toMatchObject({ code: 'unreadable_input', message: expect.stringContaining('bad sector') });
  await Promise.all([failing.close(), working.close()]);
});

/** A model whose tensor `bad` has a NaN, and a server that never answers for the bytes of `x`. */
function stallingModel(order) {
  const bad = float32Tensor('bad', [256, 1024], 1);
  bad.bytes.writeFloatLE(Number.NaN, 4 * 700);
  const tensors = { bad, x: float32Tensor('x', [256, 1024], 2) };
  const file = modelFile(order.map((name) => tensors[name]));
  const { begin, bytes } = readModel(file).tensors.get('x');
  return { file, isStalled: ([from, to]) => from < begin + bytes.length && to > begin + 65_536 };
}

test.each([
  ['second', ['bad', 'x']],
  ['first', ['x', 'bad']],
])('a bad weight was told only when a server that stalled on the %s tensor was given up', async (_, order) => {
  const { file, isStalled } = stallingModel(order);
  const [asked, ended] = [gate(), gate()];
  const { url } = await servers.serve((request, response) => {
    const range = rangeOf(request, file.length);
    if (!isStalled(range)) {
      // So that the stalled request is under way when the failure comes.
      void (range[0] === 0 ? Promise.resolve() : asked.opened).then(() => answer(request, response, file));
      return;
    }
    asked.open();
    response.on('close', ended.open);
  });
  const call = quantizer.quantizeFile(url('/model.safetensors'), folder.path('out.gguf'), kOfNoFamily);
  await expect(call).rejects.toMatchObject({ code: 'not_finite', layer: 'bad', index: 700 });
  await ended.opened;
  expect(folder.list()).toEqual([]);
});

test('of several bad weights the first one was not told when a later one was found earlier', async () => {
  const tensors = ['a', 'b', 'c'].map((name, index) => float32Tensor(name, [256, 1024], index));
  for (const { bytes } of tensors.slice(0, 2)) bytes.writeFloatLE(Number.NaN, 4 * 5);
  const path = folder.write('model.safetensors', modelFile(tensors));
  const { begin, bytes } = readModel(readFileSync(path)).tensors.get('b');
  const late = gate();
  let reads = 0;
  const source = await heldHandle(path, async (position) => {
    if (position + 1 < begin - bytes.length) return;
    ++reads;
    if (position === begin - bytes.length) await late.opened;
  });
  const call = quantizer.quantizeFile(source, folder.path('out.gguf'), kOfNoFamily).catch((error) => error);
  await until(() => reads === 3 && source.reads - source.done === 1);
  // The second tensor fails meanwhile.
  for (let turn = 0; turn < 200; ++turn) await new Promise((resolve) => setImmediate(resolve));
  late.open();
  expect(await call).toMatchObject({ code: 'not_finite', layer: 'a', index: 5 });
  await source.close();
});

const kLargeBytes = 96 * 2 ** 20;

/** A model of zeros as large as all that a conversion may hold and more, which is copied as it is. */
async function largeModel(name) {
  const shape = [kLargeBytes / 8192, 4096];
  const header = JSON.stringify({ x: { dtype: 'F16', shape, data_offsets: [0, kLargeBytes] } });
  const path = folder.path(name);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([prefix, Buffer.from(header), Buffer.alloc(kLargeBytes)]));
  return path;
}

/** Waits until a conversion reads nothing more, because nobody takes what it writes. */
async function standstill(handle) {
  for (let turns = 0, seen = 0; turns < 100 || handle.reads !== handle.done; ++turns) {
    if (seen !== handle.reads) turns = 0;
    seen = handle.reads;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function bytesOfStream(readable) {
  let bytes = 0;
  for await (const chunk of readable) bytes += chunk.length;
  return bytes;
}

test('a stream that nobody read kept all other calls from their windows, and two streams each other', async () => {
  const path = await largeModel('large.safetensors');
  const small = folder.write('small.safetensors', modelFile([float32Tensor('y', [256], 3)]));
  const first = new TransformStream();
  const second = new TransformStream();
  const source = await heldHandle(path);
  const calls = [quantizer.quantizeFile(source, first.writable, { ...kOfNoFamily, type: 'F16' })];
  await standstill(source);
  expect(await quantizer.readTensor(small, 'y')).toHaveLength(256);
  calls.push(quantizer.quantizeFile(path, second.writable, { ...kOfNoFamily, type: 'F16' }));
  const sizes = [await bytesOfStream(second.readable), await bytesOfStream(first.readable)];
  await Promise.all(calls);
  expect(Math.min(...sizes)).toBeGreaterThan(kLargeBytes);
  expect(sizes[0]).toBe(sizes[1]);
  await source.close();
});

test('a server that stalled kept all other calls from their windows', async () => {
  const { file, isStalled } = stallingModel(['x', 'bad']);
  const stalled = gate();
  const { url } = await servers.serve((request, response) => {
    if (isStalled(rangeOf(request, file.length))) stalled.open();
    else answer(request, response, file);
  });
  const small = folder.write('small.safetensors', modelFile([float32Tensor('y', [256], 3)]));
  const abort = new AbortController();
  const waiting = Array.from({ length: 5 }, () =>
    quantizer.readTensor(url('/m.safetensors'), 'x', { signal: abort.signal }),
  );
  await stalled.opened;
  expect(await quantizer.readTensor(small, 'y')).toHaveLength(256);
  abort.abort('enough');
  for (const call of waiting) await expect(call).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
});

test('a file that was overwritten in place meanwhile became one of two halves', async () => {
  const tensors = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, index) => float32Tensor(name, [256, 1024], index));
  const path = folder.write('model.safetensors', modelFile(tensors));
  const contents = modelFile(tensors.map(({ name }) => float32Tensor(name, [256, 1024], 99)));
  let done = 0;
  const onTensor = () => {
    if (++done === 1) writeFileSync(path, contents);
  };
  const call = quantizer.quantizeFile(path, folder.path('out.gguf'), { ...kOfNoFamily, onTensor });
  await expect(call).rejects.toMatchObject({ code: 'unreadable_input', file: path });
  expect(folder.list()).toEqual(['model.safetensors']);
});
