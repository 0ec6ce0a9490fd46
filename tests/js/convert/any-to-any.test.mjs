import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
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
import { sameBytes } from '../support/weights.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Rows of whole blocks and of none, small tensors and one of several windows. */
const kTensors = [
  float32Tensor('a.weight', [64, 256], 1),
  halfTensor('b.weight', [4200, 256], 2),
  bfloatTensor('c.weight', [35, 31], 3),
  float32Tensor('d.norm.weight', [256], 4),
  { name: 'e.ids', dtype: 'I64', shape: [3], bytes: Buffer.alloc(24, 'ids') },
];
const kWeights = kTensors.filter(({ name }) => name.endsWith('.weight'));

const writeInput = () => folder.write('in.safetensors', modelFile(kTensors, { format: 'pt' }));
const read = (name) => readModel(readFileSync(folder.path(name)));

describe('floats to floats in safetensors', () => {
  test.each(['F32', 'F16', 'BF16'])('%s: what encode() rounds them to, and nothing else is touched', async (type) => {
    const report = await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), { type });
    const { tensors, metadata } = read('out.safetensors');
    expect(metadata).toEqual({ format: 'pt' });
    for (const tensor of kWeights) {
      const { dtype, shape, bytes } = tensors.get(tensor.name);
      expect([dtype, shape]).toEqual([type, tensor.shape]);
      const rounded = floatsOf({ dtype, bytes });
      const own = type === tensor.dtype || type === 'F32' ? floatsOf(tensor) : await roundedTo(type, tensor);
      expect(sameBytes(rounded, own)).toBe(true);
    }
    expect(tensors.get('e.ids').bytes.equals(kTensors.at(-1).bytes)).toBe(true);
    expect(report).toMatchObject({ type, container: 'safetensors' });
    const kept = report.tensors.filter((one) => one.kept).map(({ name }) => name);
    const same = kWeights.filter(({ dtype }) => dtype === type).map(({ name }) => name);
    expect(kept).toEqual([...same, 'e.ids'].sort());
  });

  test('a weight that is too large is refused, or keeps its tensor F32 when asked to', async () => {
    const large = float32Tensor('large.weight', [4, 32], 5);
    large.bytes.writeFloatLE(70_000, 4 * 100);
    const input = folder.write('large.safetensors', modelFile([large, kTensors[0]]));
    const output = folder.path('out.safetensors');
    await expect(quantizer.quantizeFile(input, output, { type: 'F16' })).rejects.toMatchObject({
      code: 'float_overflow',
      layer: 'large.weight',
      index: 100,
    });
    expect(folder.list()).toEqual(['large.safetensors']);
    await quantizer.quantizeFile(input, output, { type: 'F16', f16Overflow: 'f32' });
    const { tensors } = read('out.safetensors');
    expect([tensors.get('large.weight').dtype, tensors.get('a.weight').dtype]).toEqual(['F32', 'F16']);
  });
});

/** By way of a GGUF, whose F16 and BF16 equal llama.cpp's (tests/js/convert/convert-gguf). */
async function roundedTo(type, tensor) {
  const input = folder.write('one.safetensors', modelFile([{ ...tensor, name: 'one.weight' }]));
  const options = { type: 'F32', architecture: 'none', rules: [['=one.weight', type]] };
  await quantizer.quantizeFile(input, folder.path('one.gguf'), options);
  return quantizer.readTensor(folder.path('one.gguf'), 'one.weight');
}

describe('quantized to quantized', () => {
  test.each([
    [{ bits: 4 }, { bits: 8 }],
    [
      { bits: 8, groupSize: 'tensor' },
      { bits: 2, groupSize: 32, symmetric: true },
    ],
    [
      { bits: 4, groupSize: 64 },
      { bits: 4, groupSize: 'tensor' },
    ],
  ])('%j to %j gives what quantizing the restored weights gives', async (first, second) => {
    await quantizer.quantizeFile(writeInput(), folder.path('first.safetensors'), { ...first, mode: 'base' });
    const { warnings } = await quantizer.quantizeFile(
      folder.path('first.safetensors'),
      folder.path('second.safetensors'),
      { ...second, mode: 'base' },
    );
    expect(warnings.map(({ code }) => code)).toEqual(['quantized_again']);
    const once = read('first.safetensors');
    const twice = read('second.safetensors');
    const restored = new Map(['a.weight', 'b.weight', 'c.weight'].map((name) => [name, restore(once, name)]));
    const batch = await quantizer.quantizeBatch(restored, second.bits, {
      groupSize: second.groupSize ?? 'tensor',
      symmetric: second.symmetric,
    });
    for (const [name, { quantizedData, scales, zeroPoints }] of batch) {
      expect(sameBytes(new Uint8Array(twice.tensors.get(name).bytes), quantizedData)).toBe(true);
      expect(sameBytes(floatsOf(twice.tensors.get(`${name}.scales`)), scales)).toBe(true);
      expect(sameBytes(new Uint8Array(twice.tensors.get(`${name}.zero_points`).bytes), zeroPoints)).toBe(true);
    }
    // Kept before, kept now; and the type that a tensor had at first is remembered.
    expect(sameBytes(twice.tensors.get('d.norm.weight').bytes, kTensors[3].bytes)).toBe(true);
    expect(JSON.parse(twice.metadata.arrowquant).tensors['b.weight'].dtype).toBe('F16');
  });

  test('what has the codec that is asked for is copied', async () => {
    const first = folder.path('first.safetensors');
    await quantizer.quantizeFile(writeInput(), first, { bits: 4 });
    const { tensors, warnings } = await quantizer.quantizeFile(first, folder.path('second.safetensors'), { bits: 4 });
    expect(tensors.every(({ kept }) => kept)).toBe(true);
    expect(warnings).toEqual([]);
    expect(readFileSync(folder.path('second.safetensors')).equals(readFileSync(first))).toBe(true);
  });

  test.each(BLOCK_TYPES)('blocks of %s become affine levels of what they restore to', async (block) => {
    const matrices = [kTensors[0], kTensors[3]];
    const input = folder.write('m.safetensors', modelFile(matrices));
    const blocks = folder.path('m.gguf');
    const rules = [['^a', block]];
    // Types of few bits want to know how much columns count: the same, then.
    const effort = /^IQ[123]/.test(block) ? 'better' : 'reference';
    await quantizer.quantizeFile(input, blocks, { type: 'F16', architecture: 'none', rules, effort });
    await quantizer.quantizeFile(blocks, folder.path('out.safetensors'), { bits: 8, groupSize: 128 });
    const restored = await quantizer.readTensor(blocks, 'a.weight');
    const layer = (await quantizer.quantizeBatch(new Map([['a', restored]]), 8)).get('a');
    const { tensors } = read('out.safetensors');
    expect(sameBytes(new Uint8Array(tensors.get('a.weight').bytes), layer.quantizedData)).toBe(true);
  });

  test('affine levels become a GGUF, and what stays precise is F16 or F32 there', async () => {
    const affine = folder.path('q.safetensors');
    await quantizer.quantizeFile(writeInput(), affine, { bits: 8, rules: [['^e', 'drop']], mode: 'base' });
    await quantizer.quantizeFile(affine, folder.path('out.gguf'), { type: 'Q8_0', architecture: 'none' });
    const restored = await quantizer.readTensor(affine, 'a.weight');
    const written = await quantizer.readTensor(folder.path('out.gguf'), 'a.weight');
    const encoded = await quantizer.encode({ data: restored, shape: [64, 256] }, 'Q8_0');
    expect(sameBytes(written, await quantizer.decode(encoded, 'Q8_0'))).toBe(true);
    const { tensors } = await quantizer.inspectFile(folder.path('out.gguf'));
    // Rows of 31 are no whole blocks: what was BF16 before is BF16 again.
    expect(tensors.map(({ name, type }) => `${name} ${type}`)).toEqual([
      ...['a.weight Q8_0', 'b.weight Q8_0', 'c.weight BF16', 'd.norm.weight F32'],
    ]);
  });

  test('a tensor of a GGUF that a rule keeps is floats where its blocks cannot be', async () => {
    const input = folder.write('m.safetensors', modelFile([kTensors[0], float32Tensor('z.weight', [32, 256], 9)]));
    await quantizer.quantizeFile(input, folder.path('m.gguf'), { type: 'Q4_0', architecture: 'none', pure: true });
    const { tensors } = await quantizer.quantizeFile(folder.path('m.gguf'), folder.path('out.safetensors'), {
      bits: 4,
      rules: [['^z', 'keep']],
    });
    expect(tensors.find(({ name }) => name === 'z.weight')).toMatchObject({ from: 'Q4_0', to: 'F32', kept: false });
    const values = floatsOf(read('out.safetensors').tensors.get('z.weight'));
    expect(sameBytes(values, await quantizer.readTensor(folder.path('m.gguf'), 'z.weight'))).toBe(true);
  });

  test('a rule can give single tensors a float type beside affine ones', async () => {
    await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), { bits: 4, rules: [['^a', 'F16']] });
    const { tensors } = read('out.safetensors');
    expect([tensors.get('a.weight').dtype, tensors.get('b.weight').dtype]).toEqual(['F16', 'U8']);
  });
});
