/** Damaged Arrow files end in an error that names the file, or in a right answer. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from '../../support/models/safetensors.mjs';
import { randomSource } from '../../support/weights.mjs';

const kCases = 200;

const folder = useFolder();
const golden = (name) => readFileSync(new URL(`../../../golden/arrow-files/${name}`, import.meta.url));
let quantizer;
let kOwn;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2, mode: 'base' });
});
afterAll(() => quantizer.dispose());

async function ownTable() {
  const tensors = [
    float32Tensor('a.weight', [4, 32], 1),
    halfTensor('b.weight', [3, 7], 2),
    bfloatTensor('c.bias', [5], 3),
    { name: 'd.ids', dtype: 'I32', shape: [2], bytes: Buffer.alloc(8, 'ids') },
  ];
  const input = folder.write('in.safetensors', modelFile(tensors, { format: 'pt' }));
  await quantizer.quantizeFile(input, folder.path('own.arrow'), { bits: 4 });
  return readFileSync(folder.path('own.arrow'));
}

/** One way to damage a file. */
function damage(file, random) {
  const upTo = (limit) => Math.floor(random() * limit);
  const bytes = Buffer.from(file);
  switch (upTo(5)) {
    case 0:
      return bytes.subarray(0, upTo(bytes.length));
    case 1:
      bytes[upTo(bytes.length)] ^= 1 << upTo(8);
      return bytes;
    case 2:
      for (let times = 0; times < 4; ++times) bytes[upTo(bytes.length)] = upTo(256);
      return bytes;
    case 3: {
      // A size, an offset or a length of another order of magnitude.
      const at = upTo(bytes.length / 8 - 1) * 8;
      const value = [-1n, 0n, 1n, 255n, 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)][upTo(8)];
      bytes.writeBigInt64LE(value, at);
      return bytes;
    }
    default: {
      const [from, to, count] = [upTo(bytes.length), upTo(bytes.length), upTo(300)];
      bytes.copyWithin(to, from, from + count);
      return bytes;
    }
  }
}

/** A result is right when its tensors are decoded, each of as many weights as its shape says; an error when it is ours. */
async function check(bytes, name) {
  const input = folder.write(name, bytes);
  try {
    const model = await quantizer.open(input);
    try {
      for (const { name: tensor, elements, type } of model.tensors) {
        if (/^[IU]\d/u.test(type)) continue;
        expect(await model.read(tensor)).toHaveLength(elements);
      }
    } finally {
      await model.close();
    }
    return 'right';
  } catch (error) {
    if (!(error instanceof QuantizeError)) throw error;
    expect(error.code).not.toBe('internal');
    expect(error.message).toContain(folder.at);
    return 'refused';
  }
}

describe(`${kCases} damaged files`, () => {
  test.each(['own', 'list.arrow', 'large.arrows', 'delta.arrows', 'half.arrow', 'quantized-polars.arrow'])(
    '%s',
    async (name) => {
      const whole = name === 'own' ? (kOwn ??= await ownTable()) : golden(name);
      const random = randomSource(20_261_127);
      const outcomes = { right: 0, refused: 0 };
      for (let index = 0; index < kCases; ++index) outcomes[await check(damage(whole, random), 'damaged.arrow')] += 1;
      // Both must have been met often for the test to mean something.
      expect(Math.min(outcomes.right, outcomes.refused)).toBeGreaterThan(kCases / 25);
    },
  );
});

test('a file that ends too early says so, wherever it ends', async () => {
  const whole = await ownTable();
  for (let length = 0; length < whole.length; length += 97) {
    await expect(quantizer.inspectFile(folder.write('cut.arrow', whole.subarray(0, length)))).rejects.toMatchObject({
      code: 'invalid_file',
    });
  }
  await expect(quantizer.inspectFile(folder.write('cut.arrow', whole.subarray(0, -1)))).rejects.toThrow(
    'was it downloaded to its end?',
  );
});

test('a stream that ends within a message says so', async () => {
  const whole = golden('large.arrows');
  for (const length of [16, 700, 2000, whole.length - 9]) {
    await expect(quantizer.inspectFile(folder.write('cut.arrows', whole.subarray(0, length)))).rejects.toMatchObject({
      ...{ code: 'invalid_file', message: expect.stringContaining('was it downloaded to its end?') },
    });
  }
});
