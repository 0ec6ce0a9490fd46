import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile, readModel } from '../support/models/safetensors.mjs';
import { digests, kOfMlxLm, kTinyLlama, sha256 } from '../support/models/tiny-llama.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const textOf = (name) => readFileSync(folder.path(name), 'utf8');

describe.each(Object.entries(kOfMlxLm))(
  'as mlx-lm does it: %s',
  (name, { options, tensors, metadata, config, index }) => {
    let report;
    beforeEach(async () => {
      report = await quantizer.quantizeFile(kTinyLlama, folder.path('out'), { format: 'mlx', ...options });
    });

    test('every tensor has the same name, type, shape and bytes', () => {
      expect(digests(folder.path('out/model.safetensors'))).toEqual(tensors);
      expect(readModel(readFileSync(folder.path('out/model.safetensors'))).metadata).toEqual(metadata);
    });

    test('config.json says the same, in the same style', () => {
      const own = textOf('out/config.json');
      expect(JSON.parse(own)).toEqual(JSON.parse(config));
      // What is said of modules one by one is in another order.
      if (!name.startsWith('mixed')) expect(own).toBe(config);
      expect(own.split('\n').toSorted()).toEqual(config.split('\n').toSorted());
    });

    test('the index is the same to the byte, and the tokenizer is copied', () => {
      expect(sha256(textOf('out/model.safetensors.index.json'))).toBe(index);
      for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
        expect(textOf(`out/${file}`)).toBe(readFileSync(`${kTinyLlama}/${file}`, 'utf8'));
      }
      expect(readdirSync(folder.path('out')).toSorted()).toEqual([
        ...[
          'config.json',
          'model.safetensors',
          'model.safetensors.index.json',
          'tokenizer.json',
          'tokenizer_config.json',
        ],
      ]);
    });

    test('the report names what was written, and who opens it', () => {
      expect(report.files).toHaveLength(5);
      expect(report).toMatchObject({ output: folder.path('out'), architecture: 'llama', opensIn: ['mlx-lm'] });
      expect(report.totals.bytesAfter).toBe(JSON.parse(textOf('out/model.safetensors.index.json')).metadata.total_size);
    });
  },
);

/** A model of one layer, and what its config.json says. */
const kConfig = { model_type: 'llama', num_hidden_layers: 1, tie_word_embeddings: true, torch_dtype: 'float16' };
const kLayer = [
  float32Tensor('model.embed_tokens.weight', [64, 128], 1),
  float32Tensor('model.layers.0.self_attn.q_proj.weight', [32, 128], 2),
  float32Tensor('model.layers.0.self_attn.rotary_emb.inv_freq', [16], 3),
  float32Tensor('model.layers.0.mlp.down_proj.weight', [32, 48], 4),
  float32Tensor('model.norm.weight', [128], 5),
  float32Tensor('lm_head.weight', [64, 128], 6),
];

/** Writes a model into a folder called `in`, quantizes it into `out`, and reads the outcome. */
async function quantized(tensors, config, options) {
  folderOf(tensors, config);
  const report = await quantizer.quantizeFile(folder.path('in'), folder.path('out'), { format: 'mlx', ...options });
  const { tensors: made } = readModel(readFileSync(folder.path('out/model.safetensors')));
  return { report, made, config: JSON.parse(textOf('out/config.json')) };
}

function folderOf(tensors, config) {
  mkdirSync(folder.path('in'));
  folder.write('in/model.safetensors', modelFile(tensors));
  folder.write('in/config.json', typeof config === 'string' ? config : JSON.stringify(config));
}

test('loses less with the effort best, least where columns count, and says the same in config.json', async () => {
  const name = 'model.layers.0.self_attn.q_proj.weight';
  const importance = new Map([[name, Float32Array.from({ length: 128 }, (_, i) => (i < 8 ? 1000 : 1))]]);
  const made = [];
  for (const options of [{}, { effort: 'best' }, { effort: 'best', importance }]) {
    const one = await quantized(kLayer, kConfig, options);
    made.push({ ...one, rmse: one.report.tensors.find((tensor) => tensor.name === name).rmse });
    for (const at of ['in', 'out']) rmSync(folder.path(at), { recursive: true });
  }
  const [usual, best, weighed] = made;
  expect(best.rmse).toBeLessThan(0.98 * usual.rmse);
  expect(weighed.rmse).toBeGreaterThan(best.rmse);
  expect(best.config).toEqual(usual.config);
  const shapes = ({ made: tensors }) => [...tensors].map(([key, { dtype, shape }]) => [key, dtype, shape]);
  expect(shapes(best)).toEqual(shapes(usual));
});

describe('what mlx-lm does with the parts of a model', () => {
  test('matrices are quantized whose rows are whole groups, and floats become what config.json says', async () => {
    const { made, report } = await quantized(kLayer, kConfig, {});
    expect(Object.fromEntries([...made].map(([name, { dtype, shape }]) => [name, [dtype, shape]]))).toEqual({
      'model.embed_tokens.weight': ['U32', [64, 16]],
      'model.embed_tokens.scales': ['F16', [64, 2]],
      'model.embed_tokens.biases': ['F16', [64, 2]],
      'model.layers.0.self_attn.q_proj.weight': ['U32', [32, 16]],
      'model.layers.0.self_attn.q_proj.scales': ['F16', [32, 2]],
      'model.layers.0.self_attn.q_proj.biases': ['F16', [32, 2]],
      'model.layers.0.mlp.down_proj.weight': ['F16', [32, 48]],
      'model.norm.weight': ['F16', [128]],
    });
    expect(report.dropped.map(({ name }) => name)).toEqual([
      'lm_head.weight',
      'model.layers.0.self_attn.rotary_emb.inv_freq',
    ]);
  });

  test('weights are cast before they are quantized', async () => {
    const { made } = await quantized(kLayer, kConfig, {});
    await quantizer.quantizeFile(folder.path('in/model.safetensors'), folder.path('halves.safetensors'), {
      type: 'F16',
    });
    renameSync(folder.path('halves.safetensors'), folder.path('in/model.safetensors'));
    await quantizer.quantizeFile(folder.path('in'), folder.path('of-halves'), { format: 'mlx' });
    const { tensors: fromHalves } = readModel(readFileSync(folder.path('of-halves/model.safetensors')));
    for (const [name, { bytes }] of made) expect([name, bytes]).toEqual([name, fromHalves.get(name).bytes]);
  });

  test('without a type in config.json, and with one that is asked for', async () => {
    expect((await quantized(kLayer, { ...kConfig, torch_dtype: 'auto' }, {})).made.get('model.norm.weight').dtype).toBe(
      'F32',
    );
    rmSync(folder.path('out'), { recursive: true });
    const options = { format: 'mlx', dtype: 'bf16' };
    await quantizer.quantizeFile(folder.path('in'), folder.path('out'), options);
    expect(digests(folder.path('out/model.safetensors'))['model.embed_tokens.scales'][0]).toBe('BF16');
  });

  test('rules of the caller keep, cast and drop; what they keep is not said to be quantized', async () => {
    const rules = [
      ['q_proj', 'keep'],
      ['embed', 'BF16'],
      ['norm', 'drop'],
    ];
    const { made, config } = await quantized(kLayer, kConfig, { rules, mix: 'mixed_2_6' });
    expect([...made.keys()].toSorted()).toEqual([
      ...['model.embed_tokens.weight', 'model.layers.0.mlp.down_proj.weight', 'model.layers.0.self_attn.q_proj.weight'],
    ]);
    expect(made.get('model.embed_tokens.weight').dtype).toBe('BF16');
    expect(Object.keys(config.quantization)).toEqual(['group_size', 'bits', 'mode']);
  });

  test.each([
    ['norm', /tensor "model\.norm\.weight": no matrix of a Linear/],
    ['down_proj', /tensor "model\.layers\.0\.mlp\.down_proj\.weight": rows of 48 weights are no whole groups/],
  ])('rules that cannot apply are refused: %s', async (pattern, says) => {
    await expect(quantized(kLayer, kConfig, { rules: [[pattern, 'quantize']] })).rejects.toMatchObject({
      ...{ code: 'invalid_option', message: expect.stringMatching(says) },
    });
  });

  test('numbers of config.json keep their text, and generation_config.json says where texts end', async () => {
    folderOf(
      kLayer,
      '{"model_type":"llama","a":1e-06,"b":10000.0,"c":12345678901234567890,"d":Infinity,"e":"\u00e9","eos_token_id":1}',
    );
    folder.write('in/generation_config.json', '{"eos_token_id": [2, 3]}');
    await quantizer.quantizeFile(folder.path('in'), folder.path('out'), { format: 'mlx' });
    const config = textOf('out/config.json');
    for (const line of ['"a": 1e-06', '"b": 10000.0', '"c": 12345678901234567890', '"d": Infinity', '"e": "\\u00e9"']) {
      expect(config).toContain(`\n    ${line},`);
    }
    expect(config).toContain('"eos_token_id": [\n        2,\n        3\n    ]');
    expect(textOf('out/generation_config.json')).toBe('{"eos_token_id": [2, 3]}');
  });
});

describe('experts', () => {
  const kExperts = (before, names, count) =>
    Array.from({ length: count }, (_, expert) =>
      names.map((name, index) => float32Tensor(`${before}.${expert}.${name}.weight`, [32, 64], 10 * expert + index)),
    ).flat();
  const kEmbedding = float32Tensor('model.embed_tokens.weight', [8, 48]);
  const kTied = { num_hidden_layers: 1, tie_word_embeddings: true };
  const kBlocks = ['gate_proj', 'down_proj', 'up_proj'];

  test.each([
    [
      'mixtral',
      'model.layers.0.block_sparse_moe.experts',
      ['w1', 'w2', 'w3'],
      'model.layers.0.block_sparse_moe.switch_mlp',
    ],
    ['qwen3_moe', 'model.layers.0.mlp.experts', kBlocks, 'model.layers.0.mlp.switch_mlp'],
    ['dots1', 'model.layers.0.mlp.experts', kBlocks, 'model.layers.0.mlp.experts'],
  ])('%s: all of a layer become one tensor, each behind the other', async (type, before, names, whole) => {
    const parts = kExperts(before, names, 3);
    const { made, report } = await quantized([...parts, kEmbedding], { model_type: type, ...kTied }, { groupSize: 32 });
    expect(made.delete(kEmbedding.name)).toBe(true);
    expect([...made.keys()].toSorted()).toEqual(
      kBlocks.flatMap((name) => ['biases', 'scales', 'weight'].map((part) => `${whole}.${name}.${part}`)).toSorted(),
    );
    for (const [index, name] of names.entries()) {
      const block = type === 'mixtral' ? { w1: 'gate_proj', w2: 'down_proj', w3: 'up_proj' }[name] : name;
      const stack = made.get(`${whole}.${block}.weight`);
      expect(stack.shape).toEqual([3, 32, 8]);
      const alone = parts[names.length + index];
      const one = await encodedAlone(alone);
      expect(Buffer.from(stack.bytes.subarray(1024, 2048))).toEqual(Buffer.from(one));
    }
    const [stack] = report.tensors.filter(({ name }) => name.startsWith(whole));
    expect(stack.bytesBefore).toBe(3 * 32 * 64 * 4);
  });

  /** The levels of a matrix as the weight of a model of its own. */
  async function encodedAlone(tensor) {
    const other = folder.path('alone');
    rmSync(other, { recursive: true, force: true });
    mkdirSync(other);
    writeFileSync(`${other}/model.safetensors`, modelFile([{ ...tensor, name: 'model.one.weight' }]));
    writeFileSync(`${other}/config.json`, '{"model_type":"llama"}');
    const options = { format: 'mlx', groupSize: 32, architecture: 'none' };
    await quantizer.quantizeFile(other, `${other}/out`, options);
    return readModel(readFileSync(`${other}/out/model.safetensors`)).tensors.get('model.one.weight').bytes;
  }

  test('routers have 8 bits where mlx-lm says so, and config.json says that', async () => {
    const router = float32Tensor('model.layers.0.mlp.gate.weight', [4, 64], 9);
    const { made, config } = await quantized(
      ...[[router, kEmbedding], { model_type: 'qwen3_moe', ...kTied }, { bits: 4, groupSize: 32 }],
    );
    expect(made.get(router.name).shape).toEqual([4, 16]);
    expect(made.get('model.layers.0.mlp.gate.scales').shape).toEqual([4, 1]);
    expect(config.quantization['model.layers.0.mlp.gate']).toEqual({ group_size: 64, bits: 8 });
  });

  test('one that is missing, or of another shape, is told by name', async () => {
    const parts = kExperts('model.layers.0.mlp.experts', kBlocks, 3).filter(({ name }) => !name.includes('.1.up'));
    await expect(quantized(parts, { model_type: 'qwen3_moe' }, {})).rejects.toMatchObject({ code: 'missing_tensor' });
    rmSync(folder.path('in'), { recursive: true });
    const odd = [...parts, float32Tensor('model.layers.0.mlp.experts.1.up_proj.weight', [64, 32], 1)];
    await expect(quantized(odd, { model_type: 'qwen3_moe' }, {})).rejects.toMatchObject({
      code: 'invalid_file',
      message: expect.stringContaining('expert 1'),
    });
  });
});
