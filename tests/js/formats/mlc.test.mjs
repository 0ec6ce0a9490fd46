import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { chatFor, tensorCache } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { golden, goldenJson, goldenModel, writeModelFolder } from '../support/models/model-folder.mjs';
import { bfloatTensor, float32Tensor, floatsOf, fromFloats } from '../support/models/safetensors.mjs';
import { copyTinyLlama, kTinyLlama } from '../support/models/tiny-llama.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const quantize = (source, options) => quantizer.quantizeFile(source, folder.path('out'), { format: 'mlc', ...options });
const cacheOf = (name = 'tensor-cache.json') => JSON.parse(readFileSync(folder.path(`out/${name}`), 'utf8'));

/** The records of the output by name, with their bytes. */
function recordsOf() {
  const shards = cacheOf().records.map((shard) => [shard, readFileSync(folder.path(`out/${shard.dataPath}`))]);
  return new Map(
    shards.flatMap(([{ records }, file]) =>
      records.map((one) => [one.name, { ...one, bytes: file.subarray(one.byteOffset, one.byteOffset + one.nbytes) }]),
    ),
  );
}

describe.each([
  ['q4f16_1', { dtype: 'float16', parameters: 44_160 }],
  ['q4f32_1', { dtype: 'float32', parameters: 44_160 }],
])('as tvm lists it: %s', (name, model) => {
  const lists = [`${name}.tensor-cache.json`, ...(name === 'q4f32_1' ? [`${name}.tensor-cache-b16.json`] : [])];
  const types = { uint32: 'U32', float16: 'F16', float32: 'BF16' };

  test('every list means the same, once the sums are in it', () => {
    const wanted = lists.map((list) => goldenJson(`mlc/${list}`));
    const [{ records }] = wanted[0].records;
    const groups = records.map(({ name: one, dtype, shape, nbytes }) => ({
      entries: [{ name: one, type: { name: types[dtype] }, shape, bytes: nbytes }],
    }));
    const { files, digests } = tensorCache(model).layOut({ groups, file: 'out' });
    const texts = digests
      .place(wanted[0].records.map(({ md5sum }) => md5sum))
      .map(({ bytes }) => String(Buffer.from(bytes)));
    expect(texts.map((text) => JSON.parse(text))).toEqual(wanted);
    expect(texts.map((text, index) => [text.length, files[index + 1].name])).toEqual(
      files.slice(1).map(({ fileBytes, name: file }) => [fileBytes, file]),
    );
    // Sizes in memory are floats there: they are summed up otherwise.
    const text = readFileSync(golden(`mlc/${lists[0]}`), 'utf8');
    expect(texts[0].replace(/("ParamBytes": \d+)\.0/u, '$1')).toBe(text);
  });
});

test('files are filled up to 32 MiB; what takes half of that has one of its own', () => {
  const sizes = [10, 12, 16, 9, 15, 1, 40, 2];
  const groups = sizes.map((size, index) => ({
    entries: [{ name: `t${index}`, type: { name: 'U32' }, shape: [size * 2 ** 18], bytes: size * 2 ** 20 }],
  }));
  const { files, places } = tensorCache({ dtype: 'float16', parameters: 1 }).layOut({ groups, file: 'out' });
  expect(files.slice(0, -1).map(({ fileBytes }) => fileBytes / 2 ** 20)).toEqual([16, 31, 40, 18]);
  expect(places.map(([{ file }]) => file)).toEqual([1, 1, 0, 1, 3, 3, 2, 3]);
});

test.each(['q4f16_1', 'q4f32_1'])('levels and scales are those of MLC-LLM: %s', async (type) => {
  // A model whose modules are none that MLC-LLM puts together.
  const source = [...goldenModel('source/tensors.safetensors').tensors.values()];
  const config = { model_type: 'phi3', max_position_embeddings: 64, vocab_size: 96 };
  const tensors = source.map((tensor) => ({ ...tensor, name: tensor.name.replace('q_proj', 'o_proj') }));
  await quantize(writeModelFolder(folder.path('in'), tensors, config), { type });
  const records = recordsOf();
  const names = {
    'model.embed_tokens': 'transformer.embd',
    'model.layers.0.self_attn.q_proj': 'transformer.h.0.mixer.out_proj',
    'model.layers.0.mlp.down_proj': 'transformer.h.0.mlp.down_proj',
    lm_head: 'lm_head',
  };
  const { tensors: wanted } = goldenModel(`mlc/${type}.safetensors`);
  for (const [theirs, ours] of Object.entries(names)) {
    expect(records.get(`${ours}.q_weight`).bytes.equals(wanted.get(`${theirs}.q_weight`).bytes)).toBe(true);
    const scales = wanted.get(`${theirs}.q_scale`);
    const bytes = type === 'q4f16_1' ? scales.bytes : roundedToBf16(floatsOf(scales));
    expect(records.get(`${ours}.q_scale`).bytes.equals(bytes)).toBe(true);
  }
});

/** Half to even. */
function roundedToBf16(values) {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Buffer.from(Uint16Array.from(bits, (one) => (one + 0x7fff + ((one >>> 16) & 1)) >>> 16).buffer);
}

describe.each(['q4f16_1', 'q4f32_1'])('a whole model: %s', (type) => {
  test('the sums are those of the files, and nothing is missing', async () => {
    const report = await quantize(kTinyLlama, { type });
    for (const { dataPath, md5sum, nbytes } of cacheOf().records) {
      const bytes = readFileSync(folder.path(`out/${dataPath}`));
      expect([md5sum, nbytes]).toEqual([createHash('md5').update(bytes).digest('hex'), bytes.length]);
    }
    expect(readdirSync(folder.path('out')).toSorted()).toEqual([
      ...['mlc-chat-config.json', 'params_shard_0.bin'],
      ...(type === 'q4f32_1' ? ['tensor-cache-b16.json'] : []),
      ...['tensor-cache.json', 'tokenizer.json', 'tokenizer_config.json'],
    ]);
    expect(report).toMatchObject({ architecture: 'llama', type, opensIn: ['WebLLM', 'MLC-LLM'] });
    const { metadata } = cacheOf();
    const parameters = report.tensors.reduce((sum, { elements }) => sum + elements, 0);
    expect(metadata.BitsPerParam).toBe((metadata.ParamBytes * 8) / parameters);
  });

  test('query, key and value are one tensor, as are gate and up', async () => {
    await quantize(kTinyLlama, { type });
    const records = recordsOf();
    expect(records.get('model.layers.0.self_attn.qkv_proj.q_weight').shape).toEqual([256, 16]);
    expect(records.get('model.layers.1.mlp.gate_up_proj.q_scale').shape).toEqual([256, 4]);
    expect([...records.keys()].filter((name) => /[qk]_proj|gate_proj/u.test(name))).toEqual([]);
  });

  test('there and back: what is restored is what is read', async () => {
    await quantize(kTinyLlama, { type });
    await quantizer.dequantizeFile(folder.path('out'), folder.path('back.safetensors'));
    const comparison = await quantizer.compareFiles(folder.path('out'), folder.path('back.safetensors'));
    expect(comparison).toMatchObject({ onlyInA: [], onlyInB: [], reshaped: [] });
    expect(comparison.tensors.every(({ equal }) => equal)).toBe(true);
    const lost = await quantizer.compareFiles(kTinyLlama, folder.path('out'));
    const [embedding] = lost.tensors.filter(({ name }) => name === 'model.embed_tokens.weight');
    expect(embedding.relativeRmse).toBeLessThan(0.15);
  });
});

const kConfig = { model_type: 'gemma2', max_position_embeddings: 64, vocab_size: 40, sliding_window: 32 };
const kProjections = ['q_proj', 'k_proj', 'v_proj'].map((name, index) =>
  bfloatTensor(`model.layers.0.self_attn.${name}.weight`, [8, 64], index + 1),
);
const kTensors = [
  bfloatTensor('model.embed_tokens.weight', [40, 64], 1),
  ...kProjections,
  fromFloats('model.norm.weight', 'BF16', [4], [0, 0.5, -1, 2]),
  fromFloats('model.layers.0.input_layernorm.weight', 'F32', [4], [0.25, 1, -0.5, 3]),
  bfloatTensor('lm_head.weight', [40, 64], 1),
  float32Tensor('model.layers.0.self_attn.rotary_emb.inv_freq', [16], 3),
];
const input = (tensors = kTensors, config = kConfig) => writeModelFolder(folder.path('in'), tensors, config);

test("Gemma's norms have one added, its head is its embedding, and frequencies are computed", async () => {
  const report = await quantize(input(), {});
  const records = recordsOf();
  const valuesOf = (name) => [...floatsOf({ dtype: 'F16', bytes: records.get(name).bytes })];
  expect(valuesOf('model.norm.weight')).toEqual([1, 1.5, 0, 3]);
  expect(valuesOf('model.layers.0.input_layernorm.weight')).toEqual([1.25, 2, 0.5, 4]);
  expect(report.dropped.map(({ name }) => name)).toEqual([
    'lm_head.weight',
    'model.layers.0.self_attn.rotary_emb.inv_freq',
  ]);
  expect(JSON.parse(readFileSync(folder.path('out/mlc-chat-config.json'), 'utf8'))).toMatchObject({
    model_type: 'gemma2',
    quantization: 'q4f16_1',
    context_window_size: 64,
    prefill_chunk_size: 64,
    sliding_window_size: 32,
    vocab_size: 40,
    conv_template: { name: 'gemma_instruction', stop_token_ids: [1] },
  });
});

test('what generation is to do, and how chats are written, is what the files beside the model say', async () => {
  const source = input(kTensors, { ...kConfig, eos_token_id: 7, bos_token_id: 3 });
  writeFileSync(folder.path('in/generation_config.json'), '{"temperature": 0.60, "eos_token_id": [8, 9]}');
  writeFileSync(folder.path('in/tokenizer_config.json'), JSON.stringify({ chat_template: '{{ "<|im_start|>" }}' }));
  writeFileSync(folder.path('in/merges.txt'), 'a b');
  await quantize(source, {});
  const text = readFileSync(folder.path('out/mlc-chat-config.json'), 'utf8');
  expect(text).toContain('"temperature": 0.60');
  expect(JSON.parse(text)).toMatchObject({
    eos_token_id: [8, 9],
    bos_token_id: 3,
    tokenizer_files: ['merges.txt', 'tokenizer_config.json'],
    tokenizer_info: { token_postproc_method: 'byte_level' },
    conv_template: { name: 'chatml', roles: { user: '<|im_start|>user' } },
  });
});

const chatOf = () => JSON.parse(readFileSync(folder.path('out/mlc-chat-config.json'), 'utf8')).conv_template;

test('the template is the one in chat_template.jinja where there is one', async () => {
  const source = input();
  writeFileSync(folder.path('in/tokenizer_config.json'), JSON.stringify({ chat_template: '[INST]' }));
  writeFileSync(folder.path('in/chat_template.jinja'), '{{ "<|im_start|>" }}');
  await quantize(source, {});
  expect(chatOf().name).toBe('chatml');
});

test.each([
  [{ vocab_size: 40 }, 'LM', [], null],
  [{ vocab_size: 128_008 }, 'llama-3', [128001], [128000]],
  [{}, 'llama-3', [128001, 128008, 128009], [128000]],
])('a chat has no tokens that the model has not: %j', async (size, name, stops, first) => {
  const config = { model_type: 'llama', max_position_embeddings: 64, tie_word_embeddings: true, ...size };
  await quantize(input(kTensors, config), {});
  expect(chatOf()).toMatchObject({ name, stop_token_ids: stops, system_prefix_token_ids: first });
});

test.each([
  [null, 'llama-3', 'llama-3'],
  ['<|start_header_id|>', 'mistral_default', 'llama-3'],
  ['[INST] x', 'llama-3', 'mistral_default'],
  ['<start_of_turn>', 'gemma3_instruction', 'gemma3_instruction'],
  ['<|user|>x<|end|>', 'chatml', 'phi-3'],
  ['something else', 'LM', 'LM'],
  [null, 'unheard of', 'LM'],
])('of the template %j and the usual chat %s, the chat is %s', (template, usual, name) => {
  expect(chatFor(template, usual).name).toBe(name);
});

describe('refused before anything is written', () => {
  const refusal = async (source, options, { code = 'invalid_option', says }) => {
    await expect(quantize(source, options)).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
    expect(existsSync(folder.path('out'))).toBe(false);
  };

  test.each([
    [{ type: 'q3f16_1' }, /type is "q3f16_1", must be "q4f16_1" or "q4f32_1"/],
    [{ resume: true }, /resume has no meaning with a model for MLC-LLM/],
    [{ splitSize: 1e8 }, /splitSize has no meaning/],
    [{ groupSize: 32 }, /groupSize has no meaning/],
    [{ architecture: 5 }, /architecture is 5, must be a model_type of transformers/],
    [{ rules: [['norm', 'quantize']] }, /cannot apply to tensor .*layernorm.weight": it is no matrix/],
    [{ rules: [['norm', 'keep']] }, /cannot apply to tensor "model.layers.0.input_layernorm.weight"/],
  ])('options: %j', (options, says) => refusal(input(), options, { says }));

  test.each([
    ['mistral', kTensors.slice(0, -2), 'missing_tensor', /"lm_head\.weight"/],
    ['llama', kTensors.slice(1), 'unsupported_model', /MLC-LLM looks for "model\.embed_tokens\.weight"/],
    [
      ...['llama', [...kTensors, bfloatTensor('model.layers.1.mlp.down_proj.weight', [8, 64])]],
      ...['missing_tensor', /"model\.layers\.[01]\./],
    ],
  ])('models that lack what MLC-LLM looks for: %s', (type, tensors, code, says) =>
    refusal(input(tensors, { ...kConfig, model_type: type, tie_word_embeddings: false }), {}, { code, says }),
  );

  test('GGUF files, which have other names', async () => {
    const file = copyTinyLlama(folder.path('in'));
    await quantizer.quantizeFile(file, `${file}/model.gguf`, { type: 'Q8_0', architecture: 'none' });
    const says = /names that transformers has, and gguf files have others/;
    await refusal(`${file}/model.gguf`, {}, { code: 'unsupported_model', says });
  });

  test('what MLC-LLM cannot have', async () => {
    const code = 'unsupported_model';
    const odd = [bfloatTensor('model.embed_tokens.weight', [8, 40])];
    await refusal(input(odd), {}, { code, says: /rows of 40 weights, which are no whole groups of 32/ });
    await refusal(input(kTensors, { ...kConfig, model_type: 'lstm' }), {}, { code, says: /"lstm" is not known here/ });
    await refusal(input(kTensors, { model_type: 'gemma' }), {}, { code, says: /max_position_embeddings/ });
    const [query, key, value] = kProjections;
    await refusal(input([query, key]), {}, { code: 'missing_tensor', says: /v_proj/ });
    const other = float32Tensor(value.name, value.shape);
    await refusal(input([query, key, other]), {}, { code: 'invalid_file', says: /are one in MLC-LLM, and differ/ });
  });
});
