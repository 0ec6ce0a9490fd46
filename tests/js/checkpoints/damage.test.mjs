import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { modelFile, readModel } from '../support/models/safetensors.mjs';
import { caseNamed } from './support/cases.mjs';
import { copyCase } from './support/checkpoint.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const writing = (name, contents) => (input) => writeFileSync(`${input}/${name}`, contents);
const without = (name) => (input) => rmSync(`${input}/${name}`);

/** Has `change` change what a JSON file says. */
const json = (name, change) => (input) => {
  const value = JSON.parse(readFileSync(`${input}/${name}`, 'utf8'));
  writeFileSync(`${input}/${name}`, JSON.stringify(change(value) ?? value));
};
const config = (changes) => json('config.json', (value) => ({ ...value, ...changes }));

/** Has `change` change the tensors of a file: a list of name, dtype, shape and bytes. */
const tensors =
  (change, name = 'model.safetensors') =>
  (input) => {
    const list = [...readModel(readFileSync(`${input}/${name}`)).tensors.values()];
    writeFileSync(`${input}/${name}`, modelFile(change(list) ?? list));
  };
const tensorNamed = (list, name) => list.find((tensor) => tensor.name === name);
const withoutTensor = (name) => tensors((list) => list.filter((tensor) => tensor.name !== name));

const fromCase = (name, file) => (input) => copyFileSync(`${caseNamed(name).input}/${file}`, `${input}/${file}`);

/** What is wrong, in which case, the error's code, and what its sentence must name. */
const kDamages = [
  ...['config.json', 'tokenizer.json', 'tokenizer.model', 'README.md'].map((name) => [
    `a Git LFS pointer in the place of ${name}`,
    'llama-hf-json',
    writing(name, `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 493443\n`),
    'invalid_file',
    /it is a Git LFS pointer/u,
  ]),
  [
    'a LoRA in the place of the model',
    'llama-hf-json',
    tensors((list) =>
      list.map((tensor) => ({
        ...tensor,
        name: `base_model.model.${tensor.name.replace('.weight', '.lora_A.weight')}`,
      })),
    ),
    'unsupported_model',
    /lora_A\.weight" is a part of a LoRA: merge it into its model first/u,
  ],
  ['no config.json', 'gemma2', without('config.json'), 'unsupported_model', /config\.json/u],
  ['config.json is empty', 'llama-gqa-rope3', writing('config.json', ''), 'invalid_file', /config\.json/u],
  ['config.json is a list', 'llama-gqa-rope3', writing('config.json', '[]'), 'invalid_file', /config\.json/u],
  ['config.json is cut off', 'gemma2', writing('config.json', '{"model_type": "gem'), 'invalid_file', /config\.json/u],
  [
    'an architecture that nobody knows',
    'llama-gqa-rope3',
    config({ architectures: ['NoSuchForCausalLM'], model_type: 'nosuch' }),
    'unsupported_model',
    /NoSuchForCausalLM.*\(llama, .*bert/u,
  ],
  ['a shard is missing', 'mistral-sharded', without('model-00003-of-00005.safetensors'), 'missing_shard', /00003/u],
  [
    'a shard is cut off',
    'mistral-sharded',
    (input) => truncateSync(`${input}/model-00002-of-00005.safetensors`, 50_000),
    'invalid_file',
    /00002/u,
  ],
  [
    'the index names a tensor that no shard has',
    'mistral-sharded',
    json('model.safetensors.index.json', ({ weight_map: map }) => {
      map['model.layers.99.mlp.up_proj.weight'] = 'model-00001-of-00005.safetensors';
    }),
    'missing_tensor',
    /layers\.99/u,
  ],
  [
    'a tensor is missing',
    'qwen2-tied-card',
    withoutTensor('model.layers.1.mlp.up_proj.weight'),
    null,
    /up_proj|ffn_up/u,
  ],
  [
    'an expert is missing',
    'qwen3moe',
    withoutTensor('model.layers.1.mlp.experts.3.up_proj.weight'),
    null,
    /experts|ffn_up/u,
  ],
  ['the embedding is missing', 'gemma2', withoutTensor('model.embed_tokens.weight'), null, /embed_tokens|token_embd/u],
  [
    'a tensor that the architecture does not know',
    'llama-gqa-rope3',
    tensors((list) => [...list, { ...list[0], name: 'model.layers.0.mystery.weight' }]),
    'unsupported_model',
    /mystery/u,
  ],
  [
    'a matrix that lies on its side',
    'llama-spm-tied',
    tensors((list) => void tensorNamed(list, 'model.layers.0.mlp.up_proj.weight').shape.reverse()),
    'invalid_file',
    /up_proj/u,
  ],
  ['more layers than there are', 'smollm3', config({ num_hidden_layers: 9 }), null, /layer/iu],
  ['fewer layers than there are', 'smollm3', config({ num_hidden_layers: 1 }), null, /layer|blk/iu],
  ['no layers', 'qwen3-f32', config({ num_hidden_layers: 0 }), null, /num_hidden_layers|layer/u],
  [
    'a width that the weights have not',
    'qwen2-tied-card',
    config({ hidden_size: 128 }),
    'invalid_file',
    /hidden_size|128|shape/u,
  ],
  ['no heads', 'llama-gqa-rope3', config({ num_attention_heads: 0 }), 'invalid_file', /num_attention_heads/u],
  [
    'heads that the rows do not fit',
    'llama-spm-tied',
    config({ num_attention_heads: 5 }),
    'invalid_file',
    /head|q_proj/u,
  ],
  ['a number that is a text', 'gemma3-text', config({ hidden_size: 'sixty-four' }), 'invalid_file', /hidden_size/u],
  [
    'a number that is too large',
    'gemma3-text',
    config({ max_position_embeddings: 2 ** 40 }),
    'invalid_file',
    /max_position/u,
  ],
  [
    'no tokenizer',
    'qwen2-tied-card',
    (input) => ['tokenizer.json', 'vocab.json'].forEach((name) => without(name)(input)),
    null,
    /AutoTokenizer\.from_pretrained/u,
  ],
  ['no tokenizer.model', 'gemma2', without('tokenizer.model'), null, /tokenizer\.model/u],
  [
    'a tokenizer without merges',
    'qwen2-tied-card',
    (input) => {
      json('tokenizer.json', ({ model }) => void delete model.merges)(input);
      without('merges.txt')(input);
    },
    'invalid_file',
    /tokenizer\.json.*merges/u,
  ],
  [
    'a tokenizer without a vocabulary',
    'llama-gqa-rope3',
    json('tokenizer.json', ({ model }) => void delete model.vocab),
    'invalid_file',
    /tokenizer\.json.*vocab/u,
  ],
  [
    'two tokens of one id',
    'olmo2',
    json('tokenizer.json', ({ model: { vocab } }) => void Object.keys(vocab).forEach((key) => (vocab[key] %= 100))),
    null,
    /tokenizer\.json/u,
  ],
  [
    'two tokens of one text',
    'qwen2-tied-card',
    json('tokenizer.json', ({ added_tokens: added }) => {
      const token = { single_word: false, lstrip: false, rstrip: false, normalized: true, special: false };
      added.push({ ...token, id: 455, content: '▁one' }, { ...token, id: 456, content: ' one' });
    }),
    'invalid_file',
    /the token " one" twice/u,
  ],
  ['a tokenizer of another kind', 'bert-st', fromCase('gpt2', 'tokenizer.json'), null, /tokenizer\.json/u],
  [
    'a tokenizer.model that is cut off',
    'mistral-sharded',
    (input) => truncateSync(`${input}/tokenizer.model`, 5000),
    'invalid_file',
    /tokenizer\.model/u,
  ],
  [
    'a tokenizer.model that is none',
    'phi3-longrope',
    writing('tokenizer.model', 'not a model'),
    'invalid_file',
    /tokenizer\.model/u,
  ],
  [
    'more tokens in config.json than weights',
    'qwen2-tied-card',
    config({ vocab_size: 9999 }),
    'invalid_file',
    /vocab|token/u,
  ],
  [
    'fewer tokens in config.json than weights',
    'llama-spm-tied',
    config({ vocab_size: 300 }),
    'invalid_file',
    /vocab|token/u,
  ],
  [
    'tokenizer_config.json is no JSON',
    'llama-hf-json',
    writing('tokenizer_config.json', '{'),
    'invalid_file',
    /tokenizer_config\.json/u,
  ],
  [
    'modules.json leads out of the folder',
    'bert-st',
    json('modules.json', (list) => list.map((one) => ({ ...one, path: '../..' }))),
    null,
    /modules\.json|Pooling/u,
  ],
];

describe('a damaged folder', () => {
  test.each(kDamages)('%s', async (_, name, damage, code, named) => {
    const input = copyCase(name, folder.at);
    damage(input);
    mkdirSync(folder.path('results'));
    const { options } = caseNamed(name);
    for (const type of ['F16', 'Q4_K_M']) {
      const call = quantizer.quantizeFile(input, folder.path('results/out.gguf'), { ...options, type });
      const error = await call.then(
        () => null,
        (reason) => reason,
      );
      expect(error).toMatchObject({ name: 'QuantizeError', message: expect.stringMatching(named) });
      expect(
        code === null ? ['invalid_file', 'unsupported_model', 'missing_tensor', 'unsupported_dtype'] : [code],
      ).toContain(error.code);
      expect(error.message).not.toMatch(/\n|undefined|\[object/u);
    }
    expect(readdirSync(folder.path('results'))).toEqual([]);
  });
});
