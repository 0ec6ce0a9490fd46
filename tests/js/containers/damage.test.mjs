import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { randomSource } from '../support/weights.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from '../support/models/safetensors.mjs';

const kCases = 1500;

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kModel = modelFile(
  [
    float32Tensor('text_encoder.layer.0.weight', [48, 64]),
    halfTensor('unet.conv_in.weight', [8, 4, 3, 3]),
    halfTensor('unet.mid.attn.to_q.weight', [64, 64]),
    bfloatTensor('transformer.blocks.0.mlp.weight', [33, 65]),
    float32Tensor('norm.bias', [7]),
  ],
  { format: 'pt' },
);

/** One way to damage a file; most of the damage is done to its header. */
function damage(file, random) {
  const upTo = (limit) => Math.floor(random() * limit);
  const headerEnd = 8 + Number(file.readBigUInt64LE(0));
  const bytes = Buffer.from(file);
  switch (upTo(5)) {
    case 0:
      return bytes.subarray(0, upTo(bytes.length));
    case 1:
      bytes[upTo(headerEnd)] ^= 1 << upTo(8);
      return bytes;
    case 2:
      for (let times = 0; times < 4; ++times) bytes[upTo(headerEnd)] = upTo(256);
      return bytes;
    case 3: {
      // One digit or sign in place of another: most of these are valid JSON.
      const digits = [...bytes.subarray(8, headerEnd).keys()].filter((at) =>
        /[0-9]/.test(String.fromCharCode(bytes[8 + at])),
      );
      bytes[8 + digits[upTo(digits.length)]] = '0123456789-e.'.charCodeAt(upTo(13));
      return bytes;
    }
    default: {
      const [from, to, count] = [upTo(bytes.length), upTo(bytes.length), upTo(300)];
      bytes.copyWithin(to, from, from + count);
      return bytes;
    }
  }
}

/** A result is right when it accounts for every byte of the file; an error when it is one of ours. */
async function check(call, bytes) {
  try {
    const { tensors } = await call();
    const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
    expect(tensors.reduce((sum, one) => sum + (one.bytesBefore ?? one.bytes), headerEnd)).toBe(bytes.length);
    return 'right';
  } catch (error) {
    if (!(error instanceof QuantizeError)) throw error;
    expect(error.code).not.toBe('internal');
    expect(error.message).toContain(folder.at);
    return 'refused';
  }
}

describe(`${kCases} damaged files`, () => {
  test('end in an error that names the file, or in a right answer: quantizeFile', async () => {
    const random = randomSource(20_240_117);
    const outcomes = { right: 0, refused: 0 };
    for (let index = 0; index < kCases; ++index) {
      const bytes = damage(kModel, random);
      const input = folder.write('in.safetensors', bytes);
      outcomes[await check(() => quantizer.quantizeFile(input, folder.path('out.safetensors')), bytes)] += 1;
    }
    expect(folder.list().filter((name) => name.includes('partial'))).toEqual([]);
    // Both must have been met often for the test to mean something.
    expect(Math.min(outcomes.right, outcomes.refused)).toBeGreaterThan(kCases / 50);
  });

  test('end in an error that names the file, or in a right answer: dequantizeFile', async () => {
    const random = randomSource(4_711);
    const original = folder.write('in.safetensors', kModel);
    await quantizer.quantizeFile(original, folder.path('quantized.safetensors'));
    const quantized = readFileSync(folder.path('quantized.safetensors'));
    const outcomes = { right: 0, refused: 0 };
    for (let index = 0; index < kCases; ++index) {
      const bytes = damage(quantized, random);
      const input = folder.path('damaged.safetensors');
      writeFileSync(input, bytes);
      outcomes[await check(() => quantizer.dequantizeFile(input, folder.path('out.safetensors')), bytes)] += 1;
    }
    expect(folder.list().filter((name) => name.includes('partial'))).toEqual([]);
    expect(Math.min(outcomes.right, outcomes.refused)).toBeGreaterThan(kCases / 50);
  });
});
