import { mkdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { bfloatTensor, float32Tensor, floatsOf, modelFile, readModel } from '../support/models/safetensors.mjs';
import { digests, kModelsOfMlxLm, sha256 } from '../support/models/tiny-llama.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kOptions = {
  affine: { bits: 3, groupSize: 32 },
  mxfp4: { type: 'mxfp4' },
  mixture: { mix: 'mixed_2_6' },
};

/** Writes a model into a folder of its own. */
function modelWith(tensors, config) {
  mkdirSync(folder.path('in'));
  folder.write('in/model.safetensors', modelFile(tensors));
  folder.write('in/config.json', JSON.stringify(config));
  return folder.path('in');
}

const convert = (more) => quantizer.quantizeFile(folder.path('in'), folder.path('out'), { format: 'mlx', ...more });

const kCases = Object.entries(kModelsOfMlxLm).flatMap(([name, { outputs }]) =>
  Object.keys(outputs).map((output) => [name, output]),
);

test.each(kCases)('%s is as mlx-lm makes it: %s', async (name, output) => {
  const { config, tensors, outputs } = kModelsOfMlxLm[name];
  modelWith(
    tensors.map(([tensor, shape], index) => bfloatTensor(tensor, shape, index + 1)),
    config,
  );
  await convert(kOptions[output]);
  const lines = Object.entries(digests(folder.path('out/model.safetensors')))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([tensor, [dtype, shape, digest]]) => `${tensor} ${dtype} ${shape.join(',')} ${digest}`);
  const { quantization } = JSON.parse(readFileSync(folder.path('out/config.json'), 'utf8'));
  expect({
    ...{ tensors: lines.length, sha256: sha256(lines.join('\n')), quantization },
    index: sha256(readFileSync(folder.path('out/model.safetensors.index.json'))),
  }).toEqual(outputs[output]);
});

test('norms are read from their file, and told as what they were', async () => {
  const norm = float32Tensor('model.norm.weight', [64], 3);
  modelWith([norm, float32Tensor('lm_head.weight', [8, 64])], { model_type: 'qwen3_next' });
  const { tensors } = await convert({});
  const made = readModel(readFileSync(folder.path('out/model.safetensors'))).tensors.get(norm.name);
  expect([...floatsOf(made)]).toEqual([...floatsOf(norm)].map((value) => Math.fround(value + 1)));
  expect(tensors.find(({ name }) => name === norm.name)).toMatchObject({ bytesBefore: 256, from: 'F32', kept: false });
});

describe('models that cannot be what they say', () => {
  test.each([
    [
      ['granitemoe', 'model.layers.0.block_sparse_moe.input_linear.weight', [2, 7, 64]],
      /the matrices of its experts cannot be told apart/,
    ],
    [
      ['granitemoe', 'model.layers.0.block_sparse_moe.output_linear.weight', [64, 64]],
      /the matrices of its experts cannot be told apart/,
    ],
    [
      ['qwen3_5', 'model.language_model.layers.0.linear_attn.conv1d.weight', [8, 2, 4]],
      /its kernels see several channels/,
    ],
    [['qwen3_next', 'model.norm.weight', [2 ** 20 + 1]], /it is no weight of a norm/],
  ])('%j', async ([type, name, shape], says) => {
    modelWith([bfloatTensor(name, shape)], { model_type: type });
    await expect(convert({})).rejects.toMatchObject({
      ...{ code: 'invalid_file', layer: name, message: expect.stringMatching(says) },
    });
    expect(folder.list()).toEqual(['in']);
  });
});
