import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { ggufFile, readGguf } from '../../peers/tiny-llama.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import {
  bfloatTensor,
  float32Tensor,
  floatsOf,
  fromFloats,
  halfTensor,
  modelFile,
} from '../support/models/safetensors.mjs';
import { torchFile } from '../support/models/torch.mjs';
import { doubleTensor, integerTensor, kLeftovers, sdCheckpoint } from '../support/models/sd-checkpoint.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Converts for stable-diffusion.cpp; gives the report and what the file holds. */
async function convert(tensors, options) {
  const source = folder.write('in.safetensors', modelFile(tensors));
  const report = await quantizer.quantizeFile(source, folder.path('out.gguf'), { for: 'sd.cpp', ...options });
  const file = readFileSync(folder.path('out.gguf'));
  const { keyValues, tensors: stored } = readGguf(file);
  const of = (name) => stored.find((tensor) => tensor.name === name);
  const found = Object.fromEntries(stored.map(({ name, type, shape }) => [name, `${type} ${shape.join('×')}`]));
  return { report, file, keyValues, stored, of, found };
}

const kUNet = 'model.diffusion_model.';
const kBlock = `${kUNet}input_blocks.1.1.transformer_blocks.0.`;
const kClip = 'cond_stage_model.transformer.text_model.';

/** By the definition of the format: a half and 32 signed bytes for 32 weights. */
function fromQ8(bytes) {
  return Float32Array.from({ length: (bytes.length / 34) * 32 }, (_, index) => {
    const block = Math.floor(index / 32) * 34;
    const [scale] = floatsOf({ dtype: 'F16', bytes: bytes.subarray(block, block + 2) });
    return scale * bytes.readInt8(block + 2 + (index % 32));
  });
}

/** Whether each half is as near to its float as rounding allows; below 2^-14 the steps of F16 get no smaller. */
const isRounded = (halves, floats) =>
  halves.length === floats.length &&
  halves.every((half, index) => Math.abs(half - floats[index]) <= Math.max(Math.abs(floats[index]) / 2048, 2 ** -25));

/** The integers and floats of four bytes. */
const wordsOf = ({ type, bytes }) =>
  Array.from({ length: bytes.length / 4 }, (_, i) =>
    type === 'I32' ? bytes.readInt32LE(i * 4) : bytes.readFloatLE(i * 4),
  );

describe('a checkpoint of Stable Diffusion 1.5', () => {
  /** What no type of file changes. */
  const kKept = {
    alphas_cumprod: 'F32 4',
    global_step: 'I32 2',
    [`${kUNet}time_embed.0.weight`]: 'F16 16×320',
    [`${kUNet}time_embed.0.bias`]: 'F16 16',
    [`${kUNet}input_blocks.0.0.weight`]: 'F16 32×4×3×3',
    [`${kUNet}input_blocks.0.0.bias`]: 'F16 320',
    [`${kUNet}input_blocks.1.0.in_layers.0.weight`]: 'F16 320',
    [`${kUNet}input_blocks.1.0.in_layers.2.weight`]: 'F16 8×320×3×3',
    [`${kUNet}input_blocks.1.1.proj_in.weight`]: 'F16 32×320×1×1',
    [`${kBlock}norm1.weight`]: 'F16 320',
    [`${kBlock}ff.net.2.bias`]: 'F16 320',
    [`${kUNet}middle_block.1.proj_out.weight`]: 'F16 32×320×1×1',
    [`${kUNet}out.2.weight`]: 'F16 4×320×3×3',
    'first_stage_model.decoder.conv_in.weight': 'F16 64×4×3×3',
    'first_stage_model.decoder.mid.attn_1.q.weight': 'F16 64×64×1×1',
    'first_stage_model.decoder.mid.block_1.norm1.weight': 'F16 64',
    'first_stage_model.post_quant_conv.weight': 'F16 4×4×1×1',
    [`${kClip}embeddings.token_embedding.weight`]: 'F16 16×768',
    [`${kClip}embeddings.position_embedding.weight`]: 'F16 77×768',
    [`${kClip}encoder.layers.0.self_attn.q_proj.bias`]: 'F16 64',
    [`${kClip}encoder.layers.0.layer_norm1.weight`]: 'F16 768',
  };
  /** [name, shape, whether the row is whole blocks of 256]. */
  const kQuantized = [
    [`${kUNet}input_blocks.1.0.emb_layers.1.weight`, '32×1280', true],
    [`${kBlock}attn1.to_q.weight`, '32×320', false],
    [`${kBlock}attn2.to_v.weight`, '32×768', true],
    [`${kUNet}input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight`, '32×640', false],
    [`${kClip}encoder.layers.0.self_attn.q_proj.weight`, '64×768', true],
    [`${kClip}encoder.layers.0.mlp.fc2.weight`, '64×768', true],
  ];

  test.each([
    ['Q8_0', 'Q8_0', 'Q8_0'],
    ['Q4_0', 'Q4_0', 'Q4_0'],
    ['Q4_K_M', 'Q4_K', 'Q5_0'],
    ['Q5_K_S', 'Q5_K', 'Q5_1'],
    ['Q6_K', 'Q6_K', 'Q8_0'],
    ['Q2_K', 'Q2_K', 'Q4_0'],
    ['IQ4_XS', 'IQ4_XS', 'IQ4_NL'],
    ['F16', 'F16', 'F16'],
  ])('%s: whole, with no shape changed, and one type but for rows that do not fit', async (type, large, small) => {
    const { report, found, keyValues } = await convert(sdCheckpoint(), { type });
    const quantized = kQuantized.map(([name, shape, fits]) => [name, `${fits ? large : small} ${shape}`]);
    expect(found).toEqual({ ...kKept, ...Object.fromEntries(quantized) });
    expect(keyValues.has('general.architecture')).toBe(false);
    expect(report.opensIn).toEqual(['stable-diffusion.cpp', 'koboldcpp']);
    expect(report.dropped.map(({ name }) => name)).toEqual(kLeftovers.map(({ name }) => name).sort());
    expect(report.notes).toEqual([
      'The model is SD 1 or 2: stable-diffusion.cpp takes the file with -m.',
      '6 tensors are left out: never read by stable-diffusion.cpp.',
    ]);
    expect(report.warnings.map(({ code }) => code)).toEqual(large === small ? [] : ['rows_fell_back']);
    if (large !== small) expect(report.warnings[0].message).toContain(`2 tensors to ${small} instead of ${large}`);
  });

  test('has the values of the input: halves as they were, Q8_0 to half a step', async () => {
    const tensors = sdCheckpoint();
    const { stored } = await convert(tensors, { type: 'Q8_0' });
    const input = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    for (const { name, type, bytes } of stored) {
      const { dtype, bytes: original } = input.get(name);
      if (type === dtype) expect([name, bytes.equals(original)]).toEqual([name, true]);
      if (type !== 'Q8_0') continue;
      const before = floatsOf(input.get(name));
      const after = fromQ8(bytes);
      const largest = before.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const error = after.reduce((most, value, index) => Math.max(most, Math.abs(value - before[index])), 0);
      expect(error).toBeGreaterThan(0);
      expect(error).toBeLessThan((largest / 127) * 0.51);
    }
  });

  test('I64 becomes I32 and F64 becomes F32, and the report says so', async () => {
    const { report, of } = await convert(sdCheckpoint(), { type: 'Q8_0' });
    expect(wordsOf(of('global_step'))).toEqual([-2147483648, 2147483647]);
    expect(wordsOf(of('alphas_cumprod'))).toEqual([Math.fround(0.9991499781608582), 0, -0, Math.fround(0.1)]);
    const said = Object.fromEntries(report.tensors.map((tensor) => [tensor.name, tensor]));
    expect(said.global_step).toMatchObject({ from: 'I64', to: 'I32', bytesBefore: 16, bytesAfter: 8, kept: false });
    expect(said.alphas_cumprod).toMatchObject({ from: 'F64', to: 'F32', bytesBefore: 32, bytesAfter: 16, kept: false });
  });

  test.each(['F32', 'BF16'])('of %s: convolutions are F16, which the program computes with', async (dtype) => {
    const { found, of } = await convert(sdCheckpoint({ dtype, width: 64 }), { type: 'Q8_0' });
    expect(found[`${kUNet}input_blocks.1.0.in_layers.2.weight`]).toBe('F16 8×64×3×3');
    expect(found['first_stage_model.decoder.conv_in.weight']).toBe('F16 64×4×3×3');
    expect(found[`${kBlock}norm1.weight`]).toBe(`${dtype} 64`);
    expect(found[`${kUNet}time_embed.0.weight`]).toBe(`${dtype} 16×64`);
    const expected = floatsOf(sdCheckpoint({ dtype, width: 64 }).find(({ name }) => name === `${kUNet}out.2.weight`));
    const { bytes } = of(`${kUNet}out.2.weight`);
    expect(isRounded(floatsOf({ dtype: 'F16', bytes }), expected)).toBe(true);
  });

  test('from memory, and again from what was made: the same bytes', async () => {
    const { file } = await convert(sdCheckpoint(), { type: 'Q4_K_M' });
    const blob = new Blob([modelFile(sdCheckpoint())]);
    await quantizer.quantizeFile(blob, folder.path('blob.gguf'), { for: 'sd.cpp', type: 'Q4_K_M' });
    expect(readFileSync(folder.path('blob.gguf')).equals(file)).toBe(true);
    const again = { for: 'sd.cpp', type: 'Q4_K_M' };
    await quantizer.quantizeFile(folder.path('out.gguf'), folder.path('again.gguf'), again);
    const made = readGguf(readFileSync(folder.path('again.gguf'))).tensors;
    const byName = new Map(readGguf(file).tensors.map((tensor) => [tensor.name, tensor]));
    expect(made).toHaveLength(byName.size);
    for (const { name, type, bytes } of made) {
      expect([name, type, byName.get(name).bytes.equals(bytes)]).toEqual([name, byName.get(name).type, true]);
    }
  });

  test('as it was first published, as a PyTorch checkpoint: the same bytes', async () => {
    const { file } = await convert(sdCheckpoint({ width: 64 }), { type: 'Q4_0' });
    const wrap = (dict) => new Map([['state_dict', dict]]);
    const source = folder.write('v1.ckpt', torchFile(sdCheckpoint({ width: 64 }), { wrap }));
    await quantizer.quantizeFile(source, folder.path('ckpt.gguf'), { for: 'sd.cpp', type: 'Q4_0' });
    expect(readFileSync(folder.path('ckpt.gguf')).equals(file)).toBe(true);
  });

  test('rules reach every part of it', async () => {
    const rules = [
      ['first_stage_model', 'drop'],
      ['attn2', 'F16'],
      [`=${kClip}embeddings.token_embedding.weight`, 'Q8_0'],
    ];
    const { report, found } = await convert(sdCheckpoint(), { type: 'Q4_0', rules });
    expect(report.warnings).toEqual([]);
    expect(Object.keys(found).filter((name) => name.startsWith('first_stage_model'))).toEqual([]);
    expect(found[`${kBlock}attn2.to_v.weight`]).toBe('F16 32×768');
    expect(found[`${kClip}embeddings.token_embedding.weight`]).toBe('Q8_0 16×768');
  });
});

describe('a T5 encoder', () => {
  const kLayer = 'encoder.block.0.layer.0.SelfAttention.';
  const kLong = `encoder.block.0.layer.1.DenseReluDense.${'x'.repeat(159 - 46)}.weight`;
  const tensors = (more = []) => [
    bfloatTensor('shared.weight', [64, 512], 1),
    bfloatTensor('encoder.embed_tokens.weight', [64, 512], 1),
    bfloatTensor(`${kLayer}q.weight`, [64, 512], 2),
    bfloatTensor(`${kLayer}relative_attention_bias.weight`, [32, 64], 3),
    bfloatTensor('encoder.block.0.layer.0.layer_norm.weight', [512], 4),
    bfloatTensor('encoder.final_layer_norm.weight', [512], 5),
    { name: 'spiece_model', dtype: 'U8', shape: [3], bytes: Buffer.from('abc') },
    ...more,
  ];

  test('keeps its long names, and words stay in a type that the program looks them up in', async () => {
    const { report, found } = await convert(tensors([bfloatTensor(kLong, [4, 512], 6)]), { type: 'Q4_K_M' });
    expect(Buffer.byteLength(kLong)).toBe(159);
    expect(found).toEqual({
      'shared.weight': 'Q5_0 64×512',
      [`${kLayer}q.weight`]: 'Q4_K 64×512',
      [`${kLayer}relative_attention_bias.weight`]: 'BF16 32×64',
      'encoder.block.0.layer.0.layer_norm.weight': 'BF16 512',
      'encoder.final_layer_norm.weight': 'BF16 512',
      [kLong]: 'Q4_K 4×512',
    });
    expect(report.notes[0]).toBe('The model is a T5 encoder: stable-diffusion.cpp takes the file with --t5xxl.');
    expect(report.dropped.map(({ name, rule }) => [name, rule])).toEqual([
      ['encoder.embed_tokens.weight', 'never read'],
      ['spiece_model', 'U8: skipped'],
    ]);
  });

  test('a name of 160 bytes is refused', async () => {
    const longer = [bfloatTensor(`${kLong.replace('x', 'xx')}`, [4, 512], 6)];
    await expect(convert(tensors(longer), { type: 'Q4_K_M' })).rejects.toMatchObject({ code: 'unwritable_output' });
    expect(folder.list()).toEqual(['in.safetensors']);
  });
});

test('a CLIP encoder keeps its position_ids as I32', async () => {
  const tensors = [
    halfTensor('text_model.embeddings.token_embedding.weight', [16, 768], 1),
    integerTensor('text_model.embeddings.position_ids', [1, 3], [0, 1, 2]),
    halfTensor('text_model.encoder.layers.0.mlp.fc1.weight', [64, 768], 2),
    fromFloats('logit_scale', 'F32', [], [4.6]),
  ];
  const { found, of } = await convert(tensors, { type: 'Q8_0' });
  expect(found).toEqual({
    'text_model.embeddings.token_embedding.weight': 'F16 16×768',
    'text_model.embeddings.position_ids': 'I32 1×3',
    'text_model.encoder.layers.0.mlp.fc1.weight': 'Q8_0 64×768',
    logit_scale: 'F32 1',
  });
  expect(wordsOf(of('text_model.embeddings.position_ids'))).toEqual([0, 1, 2]);
});

describe('a video model', () => {
  const tensors = [
    ...['q', 'k'].map((part, index) => bfloatTensor(`blocks.0.cross_attn.${part}.weight`, [64, 256], index)),
    bfloatTensor('blocks.0.cross_attn.norm_k.weight', [256], 3),
    bfloatTensor('blocks.0.modulation', [1, 6, 256], 4),
    bfloatTensor('time_embedding.0.weight', [256, 256], 5),
    bfloatTensor('head.head.weight', [64, 256], 6),
    float32Tensor('patch_embedding.weight', [256, 16, 1, 2, 2], 7),
  ];

  test('has four dimensions where it had five, with the same values in the same order', async () => {
    const { report, found, of } = await convert(tensors, { type: 'Q4_K_M' });
    expect(found).toEqual({
      'blocks.0.cross_attn.q.weight': 'Q4_K 64×256',
      'blocks.0.cross_attn.k.weight': 'Q4_K 64×256',
      'blocks.0.cross_attn.norm_k.weight': 'BF16 256',
      'blocks.0.modulation': 'BF16 1×6×256',
      'time_embedding.0.weight': 'BF16 256×256',
      'head.head.weight': 'BF16 64×256',
      'patch_embedding.weight': 'F16 4096×1×2×2',
    });
    expect(report.notes).toEqual(['The model is Wan: stable-diffusion.cpp takes the file with --diffusion-model.']);
    const expected = floatsOf(tensors.at(-1));
    const halves = floatsOf({ dtype: 'F16', bytes: of('patch_embedding.weight').bytes });
    expect(isRounded(halves, expected)).toBe(true);
  });

  test('of a GGUF for ComfyUI, too, which has five', async () => {
    const source = folder.write('wan.safetensors', modelFile(diffusionModel('wan')));
    await quantizer.quantizeFile(source, folder.path('comfy.gguf'), { type: 'F16' });
    const shapeIn = (name) =>
      readGguf(readFileSync(folder.path(name))).tensors.find((tensor) => tensor.name === 'patch_embedding.weight')
        .shape;
    expect(shapeIn('comfy.gguf')).toEqual([256, 16, 1, 2, 2]);
    const options = { type: 'Q8_0', for: 'sd.cpp', architecture: 'none' };
    await quantizer.quantizeFile(folder.path('comfy.gguf'), folder.path('sd.gguf'), options);
    expect(shapeIn('sd.gguf')).toEqual([4096, 1, 2, 2]);
  });

  test('six dimensions are refused', async () => {
    const six = [...tensors, float32Tensor('more.weight', [1, 1, 2, 2, 2, 2], 8)];
    await expect(convert(six, { type: 'Q4_K_M' })).rejects.toMatchObject({ code: 'unwritable_output' });
  });
});

describe('what does not fit into four bytes', () => {
  test.each([
    ['I64', integerTensor('a.step', [4], [0, 1, 2147483648, 1n << 40n]), 2],
    ['I64', integerTensor('a.step', [2], [0, -2147483649]), 1],
    ['F64', doubleTensor('a.step', [3], [NaN, -Infinity, 1e39]), 2],
  ])('%s: the tensor and the first such element are named, and nothing is written', async (dtype, tensor, index) => {
    const failed = await convert([...sdCheckpoint({ width: 64 }), tensor], { type: 'Q8_0' }).catch((error) => error);
    expect(failed).toMatchObject({ code: 'unsupported_dtype', layer: 'a.step', index, detail: dtype });
    expect(failed.message).toContain('in.safetensors');
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('a rule that drops it helps', async () => {
    const tensors = [...sdCheckpoint({ width: 64 }), integerTensor('a.step', [1], [1n << 40n])];
    const { found } = await convert(tensors, { type: 'Q8_0', rules: [['=a.step', 'drop']] });
    expect(found['a.step']).toBeUndefined();
  });

  test('of a checkpoint for ComfyUI, I64 stays I64', async () => {
    const source = folder.write(
      'flux.safetensors',
      modelFile([...diffusionModel('flux'), integerTensor('n', [1], [5])]),
    );
    const plan = await quantizer.plan(source, { type: 'Q8_0' });
    expect(plan.tensors.find(({ name }) => name === 'n')).toMatchObject({ from: 'I64', to: 'I64', kept: true });
  });
});

test('a text encoder of llama.cpp is taken as it is, with its key-value pairs', async () => {
  const tensors = [
    { name: 'token_embd.weight', type: 'F16', shape: [16, 256] },
    { name: 'output.weight', type: 'F16', shape: [16, 256] },
    { name: 'blk.0.attn_q.weight', type: 'F16', shape: [64, 256] },
    { name: 'blk.0.attn_norm.weight', type: 'F32', shape: [256] },
  ];
  const keyValues = [
    ['general.architecture', 'string', 'qwen3'],
    ['qwen3.block_count', 'uint32', 1],
  ];
  const source = folder.write('llm.gguf', ggufFile({ keyValues, tensors }));
  const report = await quantizer.quantizeFile(source, folder.path('out.gguf'), { for: 'sd.cpp', type: 'Q4_K_M' });
  const made = readGguf(readFileSync(folder.path('out.gguf')));
  expect(Object.fromEntries(made.tensors.map(({ name, type }) => [name, type]))).toEqual({
    ...{ 'token_embd.weight': 'Q5_0', 'blk.0.attn_q.weight': 'Q4_K', 'blk.0.attn_norm.weight': 'F32' },
  });
  expect(made.keyValues.get('general.architecture')).toBe('qwen3');
  expect(report.notes[0]).toContain('--llm');
});
