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
  const others = ['lm_head', 'model.embed_tokens'].map((name) => float32Tensor(`${name}.weight`, [8, 64]));
  modelWith([norm, ...others], { model_type: 'qwen3_next' });
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
      ['granitemoe', 'model.layers.0.block_sparse_moe.input_linear.weight', [65_537, 2, 1]],
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
    const embedding = bfloatTensor('model.embed_tokens.weight', [8, 64]);
    modelWith([bfloatTensor(name, shape), embedding], { model_type: type, tie_word_embeddings: true });
    await expect(convert({})).rejects.toMatchObject({
      ...{ code: 'invalid_file', layer: name, message: expect.stringMatching(says) },
    });
    expect(folder.list()).toEqual(['in']);
  });
});

describe('models that lack what mlx-lm looks for', () => {
  const { config, tensors } = kModelsOfMlxLm.llama_tied;
  const kOwn = { ...config, tie_word_embeddings: false };
  const kNamed = tensors.map(([name, shape]) => bfloatTensor(name, shape));

  test.each([
    ['a prefix', (name) => name.replace(/^model\./u, ''), kOwn, 'unsupported_model', /looks for "model\.embed_tokens/],
    ['the output', (name) => (name.startsWith('lm_head') ? null : name), kOwn, 'missing_tensor', /"lm_head\.weight"/],
    [
      ...['a matrix', (name) => (name.includes('1.mlp.up_proj') ? null : name), config, 'missing_tensor'],
      /"model\.layers\.1\.mlp\.up_proj\.weight"/,
    ],
    [
      ...['one of the first layer', (name) => (name.includes('0.mlp.up_proj') ? null : name), config],
      ...['missing_tensor', /"model\.layers\.0\.mlp\.up_proj\.weight"/],
    ],
    ['a layer', (name) => name, { ...config, num_hidden_layers: 3 }, 'missing_tensor', /"model\.layers\.2\./],
  ])('%s', async (_, nameOf, said, code, says) => {
    const left = kNamed.flatMap((tensor) =>
      nameOf(tensor.name) === null ? [] : [{ ...tensor, name: nameOf(tensor.name) }],
    );
    modelWith(left, said);
    await expect(convert({})).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
    expect(folder.list()).toEqual(['in']);
    await convert({ architecture: 'none' });
    expect(folder.list()).toEqual(['in', 'out']);
  });
});
