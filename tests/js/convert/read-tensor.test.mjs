import { Blob } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import { ggufFile, readGguf, tinyLlama } from '../../peers/tiny-llama.mjs';
import { sameBytes } from '../support/weights.mjs';
import { useFolder } from '../support/models/folder.mjs';
import {
  bfloatTensor,
  float32Tensor,
  floatsOf,
  halfTensor,
  modelFile,
  readModel,
  restore,
} from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Ranges around blocks of 32 and 256, and the whole. */
const kRanges = [
  [0, 1],
  [31, 33],
  [255, 257],
  [300, 300],
  [1000, 5000],
  [16_383, 16_384],
  [0, undefined],
];

describe('readTensor', () => {
  test.each(BLOCK_TYPES)('gives any elements of %s as decode() gives them', async (block) => {
    const input = new Blob([ggufFile(tinyLlama({ layers: 1 }))]);
    const name = 'blk.0.attn_k.weight';
    // Types of few bits want to know how much columns count: the same, then.
    const effort = /^IQ[123]/.test(block) ? 'better' : 'reference';
    await quantizer.quantizeFile(input, folder.path('q.gguf'), { type: 'Q8_0', rules: [[`=${name}`, block]], effort });
    const { type, bytes } = readGguf(readFileSync(folder.path('q.gguf'))).tensors.find((one) => one.name === name);
    expect(type).toBe(block);
    const whole = await quantizer.decode(new Uint8Array(bytes), block);
    for (const [begin, end] of kRanges) {
      const values = await quantizer.readTensor(folder.path('q.gguf'), name, { begin, end });
      expect(sameBytes(values, whole.slice(begin, end))).toBe(true);
    }
  });

  test.each([
    ['F32', float32Tensor],
    ['F16', halfTensor],
    ['BF16', bfloatTensor],
  ])('gives any elements of %s, over windows', async (_, make) => {
    const tensor = make('a.weight', [1049, 1001], 3);
    const input = folder.write('in.safetensors', modelFile([tensor]));
    const whole = floatsOf(tensor);
    for (const [begin, end] of [...kRanges, [1_048_575, 1_048_577], [1_000_000, undefined]]) {
      const values = await quantizer.readTensor(input, 'a.weight', { begin, end });
      expect(sameBytes(values, whole.slice(begin, end))).toBe(true);
    }
  });

  test.each([{ bits: 4 }, { bits: 2, groupSize: 'tensor' }, { bits: 8, groupSize: 32, symmetric: true }])(
    'restores affine levels, %j',
    async (options) => {
      const input = folder.write('in.safetensors', modelFile([float32Tensor('a.weight', [130, 257], 4)]));
      await quantizer.quantizeFile(input, folder.path('q.safetensors'), options);
      const whole = restore(readModel(readFileSync(folder.path('q.safetensors'))), 'a.weight');
      for (const [begin, end] of kRanges) {
        const values = await quantizer.readTensor(folder.path('q.safetensors'), 'a.weight', { begin, end });
        expect(sameBytes(values, whole.slice(begin, end))).toBe(true);
      }
    },
  );

  test('refuses other names, ranges and types in sentences', async () => {
    const ids = { name: 'ids', dtype: 'I64', shape: [2], bytes: Buffer.alloc(16) };
    const input = folder.write('in.safetensors', modelFile([float32Tensor('a.weight', [4, 4]), ids]));
    const read = (name, options) => quantizer.readTensor(input, name, options);
    await expect(read('b.weight')).rejects.toMatchObject({ code: 'missing_tensor', layer: 'b.weight' });
    await expect(read('ids')).rejects.toMatchObject({ code: 'unsupported_dtype', layer: 'ids' });
    for (const range of [
      { begin: 17 },
      { end: 17 },
      { begin: 5, end: 4 },
      { begin: -1 },
      { end: 1.5 },
      { begin: '0' },
    ]) {
      await expect(read('a.weight', range)).rejects.toMatchObject({ code: 'invalid_option' });
    }
    await expect(read('a.weight', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    expect(await read('a.weight', { begin: 16 })).toEqual(new Float32Array());
  });
});

test('a tensor that is too large for one array is no fault of ours: parts of it can be had', async () => {
  const elements = 2 ** 48;
  const header = Buffer.from(
    JSON.stringify({ large: { dtype: 'F32', shape: [elements], data_offsets: [0, elements * 4] } }),
  );
  const start = Buffer.alloc(8 + header.length);
  start.writeBigUInt64LE(BigInt(header.length));
  header.copy(start, 8);
  /** Zeros after the header, made when they are read. */
  const source = {
    size: start.length + elements * 4,
    slice: (from, to) => ({
      arrayBuffer: async () => {
        const bytes = new Uint8Array(to - from);
        if (from < start.length) bytes.set(start.subarray(from, to));
        return bytes.buffer;
      },
    }),
  };
  const error = await quantizer.readTensor(source, 'large').catch((reason) => reason);
  expect(error).toMatchObject({ code: 'out_of_memory', layer: 'large', cause: expect.any(RangeError) });
  expect(error.message).toMatch(/ 281474976710656 elements do not fit into one array here; .* begin and end$/);
  const range = { begin: elements - 3, end: elements };
  expect(await quantizer.readTensor(source, 'large', range)).toEqual(new Float32Array(3));
});
