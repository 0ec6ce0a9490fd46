import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { digestOf } from './support/models/gguf-models.mjs';
import { useFolder } from './support/models/folder.mjs';
import { float32Tensor, modelFile } from './support/models/safetensors.mjs';

const ROW = 96;
const NAME = 'a.weight';
/** What has another row in every group. */
const MODEL = modelFile([float32Tensor(NAME, [64, ROW], 7)]);
const IMPORTANCE = Float32Array.from({ length: ROW }, (_, i) => (i % 2 === 0 ? 1e4 : 1));
const kBest = { effort: 'best', groupSize: 64 };

/** More than a window has room for, in rows that begin in the middle of a group. */
const kLongRow = 1100;
const LONG = Float32Array.from({ length: 1000 * kLongRow }, (_, i) => Math.sin(i * 1.7) ** 3 * Math.cos(i * i));
const LONG_IMPORTANCE = Float32Array.from({ length: kLongRow }, (_, i) => 1 + (i % 7) ** 2);

const folder = useFolder();
const quantizers = new Map();
let quantizer;
let weights;
beforeAll(async () => {
  for (const backend of ['threads', 'workers', 'single'])
    quantizers.set(backend, await ArrowQuant.create({ backend, threads: 1 }));
  quantizer = quantizers.get('threads');
  weights = await quantizer.readTensor(MODEL, NAME);
});
afterAll(async () => {
  for (const one of quantizers.values()) await one.dispose();
});

const layers = () =>
  new Map([
    ['c', weights],
    ['a', { data: weights, shape: [64, ROW] }],
    ['empty', new Float32Array()],
    ['b', { data: LONG, shape: [1000, kLongRow] }],
  ]);
const importance = () =>
  new Map([
    ['b', LONG_IMPORTANCE],
    ['a', IMPORTANCE],
  ]);

/** A batch's layers, in few words: what differs would be pages long. */
const digestsOf = (layers) =>
  [...layers].map(([name, { quantizedData, scales, zeroPoints, ...about }]) => [
    name,
    about,
    ...[quantizedData, scales, zeroPoints].map((plane) => digestOf(new Uint8Array(plane.buffer))),
  ]);

describe('importance in batches', () => {
  test.each([
    [2, false],
    [4, true],
    [8, false],
  ])('makes of a layer what a file with it has: %i bits, symmetric %s', async (bits, symmetric) => {
    const options = { ...kBest, symmetric };
    const file = folder.path('out.safetensors');
    await quantizer.quantizeFile(MODEL, file, { bits, ...options, importance: { [NAME]: IMPORTANCE } });
    const batch = await quantizer.quantizeBatch(layers(), bits, { ...options, importance: importance() });
    expect(await quantizer.dequantize(batch.get('a'))).toEqual(await quantizer.readTensor(file, NAME));
    const plain = await quantizer.quantizeBatch(layers(), bits, options);
    const [weighed, others] = [batch, plain].map(digestsOf);
    for (const index of [0, 1]) expect(weighed[index]).not.toEqual(others[index]);
    // What no importance is given for is as without any.
    expect(weighed.slice(2)).toEqual(others.slice(2));
    expect([...batch.keys()]).toEqual(['a', 'b', 'c', 'empty']);
  });

  test('gives the same with every backend, and with ones what none gives', async () => {
    const results = [];
    for (const one of quantizers.values()) {
      const progress = [];
      const note = (layer, part) => progress.push([layer, part]);
      const options = { ...kBest, importance: Object.fromEntries(importance()) };
      results.push(digestsOf(await one.quantizeBatchWithProgress(layers(), 4, note, options)));
      expect(progress).toEqual([
        ['a', 0.25],
        ['b', 0.5],
        ['c', 0.75],
        ['empty', 1],
      ]);
    }
    for (const other of results.slice(1)) expect(other).toEqual(results[0]);
    const ones = new Map([['b', new Float32Array(kLongRow).fill(1)]]);
    const [weighed, plain] = [{ ...kBest, importance: ones }, kBest];
    const [first, second] = await Promise.all(
      [weighed, plain].map((options) => quantizer.quantizeBatch(layers(), 4, options)),
    );
    expect(digestsOf(first)).toEqual(digestsOf(second));
  });

  test('may be given with buffers that are given up, and arrays to be written again', async () => {
    const options = { ...kBest, importance: importance() };
    const expected = await quantizer.quantizeBatch(layers(), 4, options);
    const output = await quantizer.quantizeBatch(layers(), 4, kBest);
    const { quantizedData, scales, zeroPoints } = output.get('b');
    const given = new Map([...layers()].map(([name, layer]) => [name, structuredClone(layer)]));
    const again = await quantizer.quantizeBatch(given, 4, { ...options, output, transfer: true });
    expect(digestsOf(again)).toEqual(digestsOf(expected));
    expect(given.get('b').data.length).toBe(0);
    expect(again.get('b').quantizedData).toBe(quantizedData);
    expect(again.get('b').scales).toBe(scales);
    expect(again.get('b').zeroPoints).toBe(zeroPoints);
  });

  test('fails as batches do: in the first layer, or in those that cannot be made', async () => {
    const bad = LONG.slice();
    bad[1_099_000] = NaN;
    bad[1_099_999] = Infinity;
    const detached = new Float32Array(4);
    structuredClone(null, { transfer: [detached.buffer] });
    const faulty = new Map([...layers(), ['b', { data: bad, shape: [1000, kLongRow] }], ['d', detached]]);
    const options = { ...kBest, importance: importance() };
    await expect(quantizer.quantizeBatch(new Map([...faulty].slice(0, 4)), 4, options)).rejects.toMatchObject({
      ...{ name: 'QuantizeError', code: 'not_finite', layer: 'b', index: 1_099_000 },
    });
    await expect(quantizer.quantizeBatch(faulty, 4, options)).rejects.toMatchObject({
      ...{ code: 'detached_buffer', layer: 'd' },
    });
    const progress = [];
    const note = (layer) => progress.push(layer);
    const rest = await quantizer.quantizeBatchWithProgress(faulty, 4, note, { ...options, continueOnError: true });
    expect([...rest.keys()]).toEqual(['a', 'c', 'empty']);
    expect([...rest.failures].map(([name, { code, layer, index }]) => [name, code, layer, index])).toEqual([
      ['b', 'not_finite', 'b', 1_099_000],
      ['d', 'detached_buffer', 'd', undefined],
    ]);
    expect(progress).toEqual(['a', 'b', 'c', 'd', 'empty']);
  });

  test('ends with the signal', async () => {
    const options = { ...kBest, importance: importance() };
    const controller = new AbortController();
    const stop = () => controller.abort(new Error('enough'));
    const call = quantizer.quantizeBatchWithProgress(layers(), 4, stop, { ...options, signal: controller.signal });
    await expect(call).rejects.toMatchObject({ code: 'aborted', cause: { message: 'enough' } });
    expect((await quantizer.quantizeBatch(layers(), 4, options)).size).toBe(4);
  });

  test.each([
    [{ effort: 'reference' }, 'importance has no effect with the effort reference; give the effort best, too'],
    [{ effort: undefined }, 'importance has no effect with the effort reference'],
    [{ importance: { z: IMPORTANCE } }, 'importance is given for "z", but there is no layer of that name'],
    [{ importance: { a: IMPORTANCE.subarray(1) } }, 'its importance has 95 values, a row has 96 weights'],
    [{ importance: { a: IMPORTANCE.map(() => -1) } }, 'value 0 of its importance is -1; give finite ones from 0 on'],
    [{ importance: { a: [1, 2] } }, 'the importance of "a" is no Float32Array'],
    [{ importance: 5 }, 'importance is 5'],
  ])('is refused where it means nothing (%#)', async (options, message) => {
    const call = quantizer.quantizeBatch(layers(), 4, { ...kBest, importance: importance(), ...options });
    await expect(call).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
  });
});
