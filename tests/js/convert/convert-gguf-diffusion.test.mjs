import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { parseWithHuggingFace } from '../../peers/hugging-face-gguf.mjs';
import { readGguf } from '../../peers/tiny-llama.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import {
  float32Tensor,
  floatsOf,
  fromFloats,
  halfTensor,
  modelFile,
  readModel,
} from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const write = (tensors, name = 'in.safetensors') => folder.write(name, modelFile(tensors));

/** Converts; gives the report, and what the file holds as [name, type, shape]. */
async function convert(tensors, options) {
  const report = await quantizer.quantizeFile(write(tensors), folder.path('out.gguf'), options);
  const file = readFileSync(folder.path('out.gguf'));
  const { keyValues, tensors: stored } = readGguf(file);
  return { report, file, keyValues, stored, types: Object.fromEntries(stored.map(({ name, type }) => [name, type])) };
}

/** The only floats that a file of a type without blocks can hold: what `tensor` becomes, by the reader of safetensors. */
const valuesOf = ({ type, bytes }) => floatsOf({ dtype: type, bytes });

describe('flux', () => {
  test('becomes a mixture: fused attention gets more bits, layers at the ends stay, biases are F32', async () => {
    const { report, keyValues, types } = await convert(diffusionModel('flux'), { type: 'Q4_K_M' });
    expect(types).toEqual({
      'double_blocks.0.img_attn.proj.weight': 'Q4_K',
      'double_blocks.0.img_attn.qkv.weight': 'Q5_K',
      'single_blocks.0.linear1.weight': 'Q4_K',
      'img_in.weight': 'BF16',
      'final_layer.linear.weight': 'BF16',
      'double_blocks.0.img_attn.proj.bias': 'F32',
    });
    expect(Object.fromEntries(keyValues)).toEqual({
      ...{ 'general.architecture': 'flux', 'general.file_type': 15, 'general.quantization_version': 2 },
    });
    expect([report.architecture, report.notes]).toEqual(['flux', []]);
  });

  test.each(['model.diffusion_model.', 'model.', 'net.'])('loses the prefix %s, and nothing else', async (prefix) => {
    const bare = await convert(diffusionModel('flux'), { type: 'Q4_0' });
    const prefixed = await convert(diffusionModel('flux', { prefix }), { type: 'Q4_0' });
    expect(prefixed.file.equals(bare.file)).toBe(true);
    expect(prefixed.report.tensors.every(({ name, outputName }) => name === prefix + outputName)).toBe(true);
  });
});

describe('sdxl', () => {
  const prefix = 'model.diffusion_model.';
  const checkpoint = [
    ...diffusionModel('sdxl', { dtype: 'F16', prefix }),
    halfTensor('conditioner.embedders.0.proj.weight', [64, 64], 20),
    halfTensor('first_stage_model.decoder.conv_in.weight', [8, 4, 3, 3], 21),
  ];

  test('has its convolutions as rows of 256, with their shapes beside them, and nothing but the diffusion model', async () => {
    const { report, keyValues, stored } = await convert(checkpoint, { type: 'Q4_K_M' });
    const found = Object.fromEntries(stored.map(({ name, type, shape }) => [name, `${type} ${shape.join('×')}`]));
    expect(found).toEqual({
      'label_emb.0.0.weight': 'F16 32×256',
      'input_blocks.0.0.weight': 'F16 45×256',
      'input_blocks.1.0.in_layers.2.weight': 'Q4_K 72×256',
      'middle_block.1.transformer_blocks.0.attn1.to_v.weight': 'Q6_K 80×256',
      'middle_block.1.transformer_blocks.0.ff.net.2.weight': 'Q6_K 64×512',
      'out.0.bias': 'F16 320',
      'odd.weight': 'F16 3×5',
    });
    expect(keyValues.get('comfy.gguf.orig_shape.input_blocks.1.0.in_layers.2.weight')).toEqual([64, 32, 3, 3]);
    expect([...keyValues.keys()].filter((key) => key.startsWith('comfy'))).toHaveLength(4);
    expect(report.notes).toEqual([
      '2 tensors are left out: the file holds the diffusion model alone, model.diffusion_model.*.',
    ]);
  });

  test('comes back with its shapes, and compares with the checkpoint as the report says', async () => {
    const { report } = await convert(checkpoint, { type: 'Q8_0' });
    for (const dtype of ['F32', 'F16']) {
      await quantizer.dequantizeFile(folder.path('out.gguf'), folder.path('back.safetensors'), { dtype });
      const { tensors } = readModel(readFileSync(folder.path('back.safetensors')));
      expect(tensors.get('input_blocks.1.0.in_layers.2.weight')).toMatchObject({ dtype, shape: [64, 32, 3, 3] });
      expect(tensors.get('input_blocks.0.0.weight')).toMatchObject({ dtype: 'F16', shape: [320, 4, 3, 3] });
    }
    for (const output of ['out.gguf', 'back.safetensors']) {
      const comparison = await quantizer.compareFiles(folder.path('in.safetensors'), folder.path(output));
      expect(comparison).toMatchObject({
        ...{ reshaped: [], onlyInB: [] },
        onlyInA: ['conditioner.embedders.0.proj.weight', 'first_stage_model.decoder.conv_in.weight'],
      });
      expect(comparison.tensors.map(({ name }) => name)).toEqual(report.tensors.map(({ name }) => name));
      if (output !== 'out.gguf') continue;
      for (const [index, { rmse, equal }] of comparison.tensors.entries()) {
        const said = report.tensors[index].rmse;
        if (said === null) expect(equal).toBe(true);
        else expect(rmse).toBeCloseTo(said, 12);
      }
    }
    const reverse = await quantizer.compareFiles(folder.path('out.gguf'), folder.path('in.safetensors'));
    expect(reverse).toMatchObject({ reshaped: [], onlyInA: [] });
    expect(reverse.tensors).toHaveLength(report.tensors.length);
  });

  test('a name with the prefix and the same without it are two tensors', async () => {
    const weights = ['a.weight', 'model.a.weight'].map((name, i) => float32Tensor(name, [4, 32], i + 1));
    const both = write(weights, 'both.safetensors');
    const bare = write(weights.slice(0, 1), 'bare.safetensors');
    const found = await quantizer.compareFiles(both, bare);
    expect(found).toMatchObject({ onlyInA: ['model.a.weight'], onlyInB: [] });
    expect(found.tensors).toMatchObject([{ name: 'a.weight', equal: true }]);
    const reverse = await quantizer.compareFiles(bare, both);
    expect(reverse).toMatchObject({ onlyInA: [], onlyInB: ['model.a.weight'] });
  });
});

test('sd3: embedders stay, rank 4 stays', async () => {
  const { types, report } = await convert(diffusionModel('sd3', { dtype: 'F32' }), { type: 'Q5_K_M' });
  expect(report.architecture).toBe('sd3');
  expect(types).toEqual({
    'joint_blocks.0.x_block.attn.qkv.weight': 'Q6_K',
    'joint_blocks.0.x_block.mlp.fc1.weight': 'Q5_K',
    'x_embedder.proj.weight': 'F16',
    pos_embed: 'F32',
  });
});

test('wan: rank 5 and modulations are F32 with the values that they had, in a file that parsers read', async () => {
  const tensors = diffusionModel('wan');
  const { types, stored, file } = await convert(tensors, { type: 'Q3_K_M' });
  expect(types).toEqual({
    'blocks.0.self_attn.norm_q.weight': 'F32',
    'text_embedding.2.weight': 'BF16',
    'head.modulation': 'F32',
    'blocks.0.modulation': 'F32',
    'blocks.0.self_attn.v.weight': 'Q5_K',
    'blocks.0.ffn.2.weight': 'Q4_K',
    'patch_embedding.weight': 'F32',
  });
  const patch = stored.find(({ name }) => name === 'patch_embedding.weight');
  expect(patch.shape).toEqual([256, 16, 1, 2, 2]);
  expect(valuesOf(patch)).toEqual(floatsOf(tensors.find(({ name }) => name === patch.name)));
  const { tensorInfos } = await parseWithHuggingFace(file);
  expect(tensorInfos.find(({ name }) => name === patch.name).shape.map(Number)).toEqual([2, 2, 1, 16, 256]);
});

test('hidream: the gate is of high precision', async () => {
  const { types } = await convert(diffusionModel('hidream'), { type: 'Q4_K_S' });
  expect(types).toEqual({
    'caption_projection.0.linear.weight': 'BF16',
    'double_stream_blocks.0.block.ff_i.shared_experts.w3.weight': 'Q4_K',
    'double_stream_blocks.0.block.ff_i.gate.weight': 'F32',
    'double_stream_blocks.0.block.ff_i.experts.0.w2.weight': 'Q5_K',
  });
});

test('an unknown model is written by general rules when the caller says so, and says that nobody may open it', async () => {
  const tensors = [halfTensor('layer.weight', [64, 256], 1), halfTensor('odd.weight', [8, 33], 2)];
  const { report, keyValues, types } = await convert(tensors, { type: 'Q8_0', architecture: 'none' });
  expect(report).toMatchObject({
    architecture: null,
    notes: ['The architecture is not known: general rules apply, and no program is known to open the file.'],
    opensIn: [],
  });
  expect(keyValues.get('general.architecture')).toBe('unknown');
  expect(types).toEqual({ 'layer.weight': 'Q8_0', 'odd.weight': 'F16' });
});

test('is one file: the program reads no shards, and said so only when it was opened', async () => {
  const input = write(diffusionModel('flux'));
  const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'Q8_0', splitSize: 1e6 });
  await expect(call).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringContaining('splitSize has no meaning, because the output is for ComfyUI-GGUF'),
  });
  expect(folder.list()).toEqual(['in.safetensors']);
});

describe('a weight beyond F16', () => {
  /** A flux model with F32 layers at its ends that are to become F16; `value` at index 77 of one of them. */
  const modelWith = (value, dtype = 'F32') => {
    const values = new Float32Array(256 * 64).fill(0.5);
    values[77] = value;
    const other = new Float32Array(256 * 64).fill(1);
    return [
      ...diffusionModel('flux', { dtype: 'F32' }).filter(({ name }) => name.startsWith('double')),
      fromFloats('img_in.weight', dtype, [256, 64], values),
      fromFloats('txt_in.weight', dtype, [256, 64], other),
    ];
  };

  test.each([65_520, -65_520, 3e38])('%d is refused with tensor and index, and nothing is written', async (value) => {
    const input = write(modelWith(value));
    const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'Q8_0' });
    await expect(call).rejects.toMatchObject({ code: 'float_overflow', layer: 'img_in.weight', index: 77 });
    await expect(call).rejects.toThrow(/too large for F16.*"img_in\.weight".*in\.safetensors at index 77.*F32/);
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test.each([65_520, -65_520, 3e38])('%d makes that tensor F32, and no other, when asked to', async (value) => {
    const model = modelWith(value);
    const { types, stored, report } = await convert(model, { type: 'Q8_0', f16Overflow: 'f32' });
    expect([types['img_in.weight'], types['txt_in.weight']]).toEqual(['F32', 'F16']);
    const kept = stored.find(({ name }) => name === 'img_in.weight');
    expect(valuesOf(kept)).toEqual(floatsOf(model.find(({ name }) => name === 'img_in.weight')));
    expect(report.tensors.filter(({ rule }) => rule === 'too large for F16')).toHaveLength(1);
    const { tensors } = await quantizer.plan(folder.path('in.safetensors'), { type: 'Q8_0', f16Overflow: 'f32' });
    expect(tensors.filter(({ rule }) => rule === 'too large for F16').map(({ name }) => name)).toEqual([
      'img_in.weight',
    ]);
  });

  test.each(['error', 'f32'])('65519.99 is none: it is rounded to 65504 (%s)', async (f16Overflow) => {
    const { stored } = await convert(modelWith(65_519.99), { type: 'Q8_0', f16Overflow });
    const tensor = stored.find(({ name }) => name === 'img_in.weight');
    expect(tensor.type).toBe('F16');
    expect(valuesOf(tensor)[77]).toBe(65_504);
  });

  test('of BF16 is one only where the file is to be F16', async () => {
    const model = modelWith(2 ** 17, 'BF16');
    const { types } = await convert(model, { type: 'BF16' });
    expect(types['img_in.weight']).toBe('BF16');
    const rules = [['=img_in.weight', 'F16']];
    const call = quantizer.quantizeFile(write(model), folder.path('f16.gguf'), { type: 'F16', rules });
    await expect(call).rejects.toMatchObject({ code: 'float_overflow', layer: 'img_in.weight', index: 77 });
    const widened = await convert(model, { type: 'F16', rules, f16Overflow: 'f32' });
    expect(widened.types['img_in.weight']).toBe('F32');
  });
});

describe('what a GGUF cannot hold is said before a byte is written', () => {
  const flux = diffusionModel('flux');
  const kAnything = { architecture: 'none' };
  const long = (bytes) => `${'n'.repeat(bytes - '.weight'.length)}.weight`;
  test.each([
    [
      'a name of 160 bytes',
      [halfTensor(long(160), [32, 32])],
      kAnything,
      /name of tensor "n+.*" has 160 bytes.*at most 159/,
    ],
    ['a name of 128 bytes, flux', [...flux, halfTensor(long(128), [32, 32])], {}, /has 128 bytes.*at most 127/],
    ['rank 6', [halfTensor('a.weight', [1, 2, 2, 2, 2, 32])], kAnything, /6 dimensions.*at most 5/],
    ['rank 5, flux', [...flux, halfTensor('a.weight', [2, 2, 2, 2, 32])], {}, /5 dimensions.*at most 4/],
    ['rank 6, wan', [...diffusionModel('wan'), halfTensor('a.weight', [1, 2, 2, 2, 2, 32])], {}, /6 dimensions/],
    [
      'a type of no floats',
      [{ name: 'a', dtype: 'U8', shape: [32], bytes: Buffer.alloc(32) }],
      kAnything,
      /U8.*"a".*not supported/,
    ],
  ])('%s', async (_, tensors, options, says) => {
    const input = write(tensors);
    folder.write('old.gguf', 'the old output');
    for (const output of ['out.gguf', 'old.gguf']) {
      const call = quantizer.quantizeFile(input, folder.path(output), { type: 'Q8_0', ...options });
      await expect(call).rejects.toThrow(says);
      await expect(call).rejects.toMatchObject({ name: 'QuantizeError', layer: expect.any(String) });
    }
    await expect(quantizer.plan(input, { type: 'Q8_0', ...options })).rejects.toThrow(says);
    expect(readFileSync(folder.path('old.gguf'), 'utf8')).toBe('the old output');
    expect(folder.list()).toEqual(['in.safetensors', 'old.gguf']);
  });

  test('names of 127 and 159 bytes are none of it', async () => {
    await convert([halfTensor(long(159), [32, 32])], { type: 'Q8_0', ...kAnything });
    await convert([...flux, halfTensor(long(127), [32, 32])], { type: 'Q8_0' });
  });
});
