/** What pyarrow and polars write is read as they meant it. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { sameBytes } from '../../support/weights.mjs';

const golden = (name) => new URL(`../../../golden/arrow-files/${name}`, import.meta.url);

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2, mode: 'base' });
});
afterAll(() => quantizer.dispose());

/** As in make.py. */
function values(count, seed) {
  let state = BigInt(seed);
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245n + 12345n) % 2n ** 31n;
    return (Number((state >> 12n) % 2048n) - 1024) / 512;
  });
}

const kTensors = [
  ['model.embed.weight', [6, 64]],
  ['model.layers.0.weight', [2, 3, 32]],
  ['naïve.bias', [5]],
  ['model.norm.weight', [7]],
  ['empty', [0, 4]],
].map(([name, shape], index) => {
  const elements = shape.reduce((product, size) => product * size, 1);
  return { name, shape, elements, values: values(elements, index + 1) };
});

const flat = (tensors) => tensors.map((tensor) => ({ ...tensor, shape: [tensor.elements] }));
const kFixed = ['model.embed.weight', 'model.layers.0.weight', 'naïve.bias'].map((name, index) => {
  return { name, shape: [[4, 8], [32], [32]][index], elements: 32, values: values(32, 9 + index) };
});

/** In any order. */
const sorted = (tensors) => [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));

test.each([
  ['list.arrow', 'F32', kTensors],
  ['slice.arrow', 'F32', kTensors.slice(1, 4)],
  ['large.arrows', 'F32', kTensors],
  ['half.arrow', 'F16', kTensors],
  ['delta.arrows', 'F32', flat(kTensors.slice(0, 3))],
  ['replaced.arrows', 'F32', flat(kTensors.slice(0, 3))],
  ['fixed.arrow', 'F32', kFixed],
  ['polars.arrow', 'F32', kTensors],
])('%s', async (file, type, expected) => {
  for (const source of [golden(file), new Blob([readFileSync(golden(file))])]) {
    const model = await quantizer.open(source);
    try {
      expect(model.container).toBe('arrow');
      expect(sorted(model.tensors).map((one) => [one.name, one.type, one.shape])).toEqual(
        sorted(expected).map(({ name, shape }) => [name, type, shape]),
      );
      for (const { name, values: own } of expected) {
        expect([name, sameBytes(await model.read(name), own)]).toEqual([name, true]);
      }
    } finally {
      await model.close();
    }
  }
});

test('texts of the schema are the metadata', async () => {
  expect((await quantizer.inspectFile(golden('list.arrow'))).metadata).toEqual({ format: 'pt' });
});

describe('a quantized table', () => {
  const quantized = kTensors.slice(0, 2);

  test.each(['quantized-polars.arrow', 'quantized-original.arrow'])(
    '%s decodes as a batch of its weights',
    async (file) => {
      const weights = new Map(quantized.map(({ name, shape, values: data }) => [name, { data, shape }]));
      const batch = await quantizer.quantizeBatch(weights, 4, { groupSize: 64 });
      const model = await quantizer.open(golden(file));
      try {
        for (const { name, shape } of quantized) {
          expect(model.tensors.find((one) => one.name === name)).toMatchObject({ type: 'int4 g64', shape });
          const own = await quantizer.dequantize(batch.get(name));
          expect([name, sameBytes(await model.read(name), own)]).toEqual([name, true]);
        }
      } finally {
        await model.close();
      }
    },
  );

  test('what is beside the quantized tensors is read as it is', async () => {
    for (const { name, values: own } of kTensors.slice(2)) {
      const read = await quantizer.readTensor(golden('quantized-polars.arrow'), name);
      expect([name, sameBytes(read, own)]).toEqual([name, true]);
    }
  });
});

test.each([
  ['lz4.feather', 'LZ4'],
  ['zstd.arrow', 'ZSTD'],
])('%s is refused with what to do', async (file, name) => {
  await expect(quantizer.inspectFile(golden(file))).rejects.toMatchObject({
    code: 'invalid_file',
    message: expect.stringMatching(new RegExp(`compressed with ${name}; write it without compression`, 'u')),
  });
});
