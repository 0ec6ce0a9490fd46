import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { parseGguf } from '../support/models/gguf.mjs';
import { fromFloats, modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Halfway between the largest BF16 and what would come next: it is rounded to infinity. The f32 before it is not. */
const kLeastOverflow = (2 - 2 ** -8) * 2 ** 127;
const kLargest = (2 - 2 ** -8 - 2 ** -23) * 2 ** 127;

test('a weight too large for BF16 was refused though f16Overflow asked for F32', async () => {
  const tensor = (name, value) =>
    fromFloats(
      name,
      'F32',
      [32, 32],
      Float32Array.from({ length: 1024 }, (_, index) => (index === 40 ? value : index)),
    );
  const source = folder.write(
    'in.safetensors',
    modelFile([tensor('a.weight', -kLeastOverflow), tensor('b.weight', kLargest)]),
  );
  const sink = folder.path('out.gguf');
  const options = { type: 'BF16', architecture: 'none' };
  await expect(quantizer.quantizeFile(source, sink, options)).rejects.toMatchObject({
    ...{ code: 'float_overflow', layer: 'a.weight', index: 40 },
  });
  const { tensors } = await quantizer.quantizeFile(source, sink, { ...options, f16Overflow: 'f32' });
  expect(tensors.map(({ name, to, rule }) => [name, to, rule])).toEqual([
    ['a.weight', 'F32', 'too large for BF16'],
    ['b.weight', 'BF16', 'matrix'],
  ]);
  const [first] = parseGguf(readFileSync(sink)).tensors;
  expect(first.bytes.readFloatLE(160)).toBe(-kLeastOverflow);
});
