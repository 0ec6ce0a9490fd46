/** A Promise, an async generator or a WeakMap as weights resolved with an empty Map. */
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import createModule from 'arrowquant/wasm';

const kData = new Float32Array(32);
const kPairs = [['a', kData]];

let quantizer;
let module;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ backend: 'single' });
  module = await createModule({ backend: 'single' });
});
afterAll(async () => {
  await quantizer.dispose();
  module.dispose();
});

const invalid = { name: 'QuantizeError', code: 'invalid_weights' };
const unawaited = { ...invalid, message: expect.stringContaining('did you forget await?') };

test.each([
  ['a Promise', () => Promise.resolve(new Map(kPairs))],
  ['a Promise of another realm', () => runInNewContext('Promise.resolve(new Map())')],
  ['a Map of Promises', () => new Map([['a', Promise.resolve(kData)]])],
  ['a Map of Promises of data', () => new Map([['a', { data: Promise.resolve(kData), shape: [32] }]])],
])('%s as weights: asks for await', async (_, weights) => {
  await expect(quantizer.quantizeBatch(weights(), 4)).rejects.toMatchObject(unawaited);
  await expect(module.quantizeBatchWithProgress(weights(), 4)).rejects.toMatchObject(unawaited);
});

test('a Promise among other layers names its layer', async () => {
  const weights = { a: kData, b: Promise.resolve(kData) };
  await expect(quantizer.quantizeBatch(weights, 4)).rejects.toMatchObject({ ...unawaited, layer: 'b' });
  const map = new Map(Object.entries(weights));
  await expect(module.quantizeBatchWithProgress(map, 4)).rejects.toMatchObject({ ...unawaited, layer: 'b' });
});

test('a Promise in place of a tensor, or of a quantized layer, asks for await', async () => {
  const data = Promise.resolve(kData);
  await expect(quantizer.encode(data, 'Q8_0')).rejects.toMatchObject(unawaited);
  await expect(quantizer.encode({ data, shape: [32] }, 'Q8_0')).rejects.toMatchObject(unawaited);
  await expect(quantizer.dequantize(data)).rejects.toMatchObject(unawaited);
  await expect(module.encodeBlocks(data, 'Q8_0')).rejects.toMatchObject(unawaited);
  await expect(module.dequantize(data)).rejects.toMatchObject(unawaited);
  const blocks = Promise.resolve(new Uint8Array(34));
  await expect(quantizer.decode(blocks, 'Q8_0')).rejects.toMatchObject(unawaited);
  await expect(module.decodeBlocks(blocks, 'Q8_0')).rejects.toMatchObject(unawaited);
});

test('a Promise in place of a source or a sink, or among Files, asks for await', async () => {
  const promise = Promise.resolve('in.safetensors');
  const asks = (name) => ({
    ...{ name: 'QuantizeError', code: 'invalid_option' },
    message: `Invalid option: ${name} is a Promise, did you forget await?`,
  });
  await expect(quantizer.inspectFile(promise)).rejects.toMatchObject(asks('source'));
  await expect(quantizer.inspectFile([promise])).rejects.toMatchObject(asks('source'));
  await expect(quantizer.quantizeFile('in.safetensors', promise)).rejects.toMatchObject(asks('sink'));
  await expect(quantizer.compareFiles('in.safetensors', promise)).rejects.toMatchObject(asks('b'));
});

test('a Blob that is sliced in time is refused before it is read', async () => {
  const blob = { size: 8, slice: async () => new Blob() };
  await expect(quantizer.inspectFile(blob)).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringContaining('source has a slice() that gives a Promise, it must give the slice at once'),
  });
});

async function* pairsInTime() {
  yield* kPairs;
}

describe('as weights', () => {
  test.each([
    ['an async generator', () => pairsInTime()],
    ['an async iterable', () => ({ [Symbol.asyncIterator]: pairsInTime })],
    ['a WeakMap', () => new WeakMap([[kData, kData]])],
    ['a WeakSet', () => new WeakSet([kData])],
    ['a Date', () => new Date(0)],
    ['a regular expression', () => /a/],
    ['an Error', () => new Error('a')],
    ['an ArrayBuffer', () => new ArrayBuffer(8)],
    ['an instance of a class that hides its fields', () => new (class Model {})()],
    ['a Set of arrays', () => new Set([kData])],
    ['an array of arrays', () => [kData]],
    ['a string', () => 'ab'],
    ['a String', () => new String('ab')],
    ['a function', () => () => new Map(kPairs)],
    ['a generator function that was not called', () => pairsInTime],
  ])('%s is refused', async (_, weights) => {
    await expect(quantizer.quantizeBatch(weights(), 4)).rejects.toMatchObject(invalid);
    await expect(module.quantizeBatchWithProgress(weights(), 4)).rejects.toMatchObject(invalid);
  });

  test.each([
    ['an empty Map', () => new Map(), 0],
    ['an empty object', () => ({}), 0],
    ['an empty object without a prototype', () => Object.create(null), 0],
    ['an empty object of another realm', () => runInNewContext('({})'), 0],
    ['no pairs', () => [], 0],
    ['an object without a prototype', () => Object.assign(Object.create(null), { a: kData }), 1],
    ['an instance whose fields are arrays', () => Object.assign(new (class Model {})(), { a: kData }), 1],
    ['a layer of the name "then"', () => ({ then: kData }), 1],
  ])('%s is welcome', async (_, weights, size) => {
    expect((await quantizer.quantizeBatch(weights(), 4)).size).toBe(size);
  });
});
