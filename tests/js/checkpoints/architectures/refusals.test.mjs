import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { kFamilies, writeFamily } from '../support/families.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

/** Another config.json. */
const config = (changes) => (family) => ({ ...family, config: { ...family.config, ...changes } });
const withoutKey = (key) => (family) => ({
  ...family,
  config: Object.fromEntries(Object.entries(family.config).filter(([name]) => name !== key)),
});

/** Lines of tensors changed, added or, where `change` says null, left out. */
const lines = (change) => (family) => ({
  ...family,
  tensors: family.tensors.map(change).filter((line) => line !== null),
});
const adding = (line) => (family) => ({ ...family, tensors: [...family.tensors, line] });
const lacking = (part) => lines((line) => (line.includes(part) ? null : line));

const named = (name) => kFamilies.find((family) => family.name === name);
const pre = (family) => (family.pre === undefined ? {} : { pre: family.pre });

const kLlama3 = {
  ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
  original_max_position_embeddings: 64,
};

/** What is wrong, with which family, the error's code, and what its sentence must say. */
const kRefused = [
  [
    'a class that is not known',
    'qwen2',
    config({ architectures: ['NewForCausalLM'] }),
    'unsupported_model',
    /NewForCausalLM.*qwen2/u,
  ],
  [
    'exponents without codes',
    'gpt-oss',
    lacking('down_proj_blocks'),
    'invalid_file',
    /down_proj_blocks.*down_proj_scales/u,
  ],
  ['codes without exponents', 'gpt-oss', lacking('down_proj_scales'), 'invalid_file', /experts\.down_proj/u],
  [
    'codes of another size',
    'gpt-oss',
    lines((line) => line.replace('U8 4x64x3x16', 'U8 4x64x2x16')),
    'invalid_file',
    /down_proj_blocks.*\[4, 64, 2, 16\].*\[4, 64, 3, 16\]/u,
  ],
  [
    'codes that are floats',
    'gpt-oss',
    lines((line) => line.replace('U8 4x64x3x16', 'F16 4x64x3x16')),
    'invalid_file',
    /down_proj_blocks.*F16.*U8/u,
  ],
  [
    'experts whose rows are no whole blocks',
    'gpt-oss',
    config({ intermediate_size: 80 }),
    'invalid_file',
    /experts\.(?:down|gate_up)_proj/u,
  ],
  [
    'experts that are there twice',
    'gpt-oss',
    adding('model.layers.#.mlp.experts.down_proj BF16 4x96x64'),
    'unsupported_model',
    /experts\.down_proj.*=drop/u,
  ],
  [
    'experts of a layer more',
    'gpt-oss',
    adding('model.layers.2.mlp.experts.down_proj_scales U8 4x64x3'),
    'unsupported_model',
    /model\.layers\.2\..*=drop/u,
  ],
  ['no class', 'qwen2', config({ architectures: [] }), 'unsupported_model', /architecture/u],
  ['a matrix less', 'llama-rope3', lacking('mlp.up_proj'), 'invalid_file', /model\.layers\.0\.mlp\.up_proj\.weight/u],
  [
    'a layer less than config.json says',
    'llama-rope3',
    config({ num_hidden_layers: 3 }),
    'invalid_file',
    /model\.layers\.2\./u,
  ],
  ['a layer more', 'llama-rope3', config({ num_hidden_layers: 1 }), 'unsupported_model', /model\.layers\.1\..*=drop/u],
  [
    'a tensor without a place',
    'qwen2',
    adding('model.layers.#.mlp.extra.weight BF16 4x4'),
    'unsupported_model',
    /mlp\.extra\.weight.*=drop/u,
  ],
  [
    'biases that llama.cpp does not add',
    'qwen3-model',
    adding('model.layers.#.self_attn.o_proj.bias BF16 64'),
    'unsupported_model',
    /o_proj\.bias/u,
  ],
  [
    'the same tensor under two names',
    'llama-rope3',
    adding('model.language_model.norm.weight BF16 64'),
    'invalid_file',
    /model\.norm\.weight/u,
  ],
  ['an expert less', 'qwen3moe', (family) => ({ ...family, experts: 3 }), 'invalid_file', /experts\.3\./u],
  ['an expert more', 'mixtral', (family) => ({ ...family, experts: 4 }), 'unsupported_model', /experts\.3\./u],
  [
    'stacked and separate experts',
    'qwen3moe',
    adding('model.layers.#.mlp.experts.down_proj BF16 4x64x32'),
    'unsupported_model',
    /experts/u,
  ],
  [
    'more experts used than there are',
    'qwen2moe',
    config({ num_experts_per_tok: 5 }),
    'invalid_file',
    /num_experts_per_tok/u,
  ],
  ['no experts used', 'mixtral', config({ num_experts_per_tok: 0 }), 'invalid_file', /num_experts_per_tok/u],
  [
    'experts used of a model without',
    'qwen2',
    config({ num_experts_per_tok: 2 }),
    'invalid_file',
    /0 experts, 2 used/u,
  ],
  ['10,000 experts', 'qwen2moe', config({ num_experts: 10_000 }), 'invalid_file', /num_experts/u],
  ['no output where llama.cpp needs one', 'olmo2', lacking('lm_head'), 'invalid_file', /lm_head\.weight/u],
  [
    'heads that do not divide the embedding',
    'qwen2',
    config({ num_attention_heads: 5, num_key_value_heads: 5 }),
    'invalid_file',
    /hidden_size/u,
  ],
  [
    'heads of keys that do not divide those of queries',
    'qwen2',
    config({ num_key_value_heads: 3 }),
    'invalid_file',
    /num_key_value_heads/u,
  ],
  ['no heads', 'llama-rope3', config({ num_attention_heads: 0 }), 'invalid_file', /num_attention_heads/u],
  [
    'a number of heads that is a text',
    'llama-rope3',
    config({ num_attention_heads: 'four' }),
    'invalid_file',
    /num_attention_heads/u,
  ],
  ['less than no layers', 'llama-rope3', config({ num_hidden_layers: -1 }), 'invalid_file', /num_hidden_layers/u],
  ['a billion layers', 'llama-rope3', config({ num_hidden_layers: 1e9 }), 'invalid_file', /num_hidden_layers/u],
  [
    'a context that no u32 can be',
    'llama-rope3',
    config({ max_position_embeddings: 2 ** 32 }),
    'invalid_file',
    /max_position_embeddings/u,
  ],
  ['an epsilon that no f32 can be', 'llama-rope3', config({ rms_norm_eps: 1e39 }), 'invalid_file', /rms_norm_eps/u],
  [
    'heads with an odd number of dimensions',
    'qwen3-model',
    (family) =>
      config({ head_dim: 15 })(
        lines((line) =>
          line
            .replace('q_norm.weight BF16 128', 'q_norm.weight BF16 15')
            .replace('k_norm.weight BF16 128', 'k_norm.weight BF16 15')
            .replace('512x64', '60x64')
            .replace('64x512', '64x60'),
        )(family),
      ),
    'invalid_file',
    /15/u,
  ],
  [
    'another vocabulary than the embeddings are of',
    'qwen2',
    config({ vocab_size: 1000 }),
    'invalid_file',
    /456, 64.*1000, 64/u,
  ],
  [
    'a matrix of another shape',
    'qwen2',
    lines((line) => line.replace('up_proj.weight F32 96x64', 'up_proj.weight F32 64x96')),
    'invalid_file',
    /up_proj\.weight.*64, 96.*96, 64/u,
  ],
  [
    'Llama 3 positions without a lower frequency',
    'llama-rope3',
    config({ rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 0 } }),
    'invalid_file',
    /low_freq_factor/u,
  ],
  [
    'YaRN without the length that it starts from',
    'qwen2',
    config({ rope_scaling: { rope_type: 'yarn', factor: 4 } }),
    'invalid_file',
    /original_max_position_embeddings/u,
  ],
  [
    'factors for positions that are too few',
    'phi3-long',
    (family) => config({ rope_scaling: { ...family.config.rope_scaling, long_factor: [1, 2] } })(family),
    'invalid_file',
    /long_factor/u,
  ],
  [
    'factors for positions that are texts',
    'phi3-long',
    (family) => config({ rope_scaling: { ...family.config.rope_scaling, short_factor: Array(8).fill('one') } })(family),
    'invalid_file',
    /short_factor/u,
  ],
  [
    'a way of routing that llama.cpp does not have',
    'qwen2moe',
    config({ scoring_func: 'argmax' }),
    'invalid_file',
    /scoring_func/u,
  ],
  [
    'Gemma 3 with capped scores of attention',
    'gemma3',
    config({ attn_logit_softcapping: 50 }),
    'unsupported_model',
    /attn_logit_softcapping/u,
  ],
  [
    'Granite with layers that have a state',
    'granitehybrid',
    config({ layer_types: ['mamba', 'attention'] }),
    'unsupported_model',
    /Mamba/u,
  ],
  [
    'positions of pictures without sections',
    'qwen2vl',
    (family) => config({ text_config: { ...family.config.text_config, rope_scaling: null } })(family),
    'invalid_file',
    /mrope_section/u,
  ],
  [
    'EXAONE with another activation',
    'exaone',
    config({ activation_function: 'gelu' }),
    'unsupported_model',
    /activation_function/u,
  ],
  [
    'frequencies of Llama 3 where llama.cpp has no place for them',
    'smollm3',
    config({ rope_scaling: kLlama3 }),
    'unsupported_model',
    /llama3/u,
  ],
  [
    'frequencies of more dimensions than are rotated',
    'exaone',
    config({ rope_scaling: kLlama3, partial_rotary_factor: 0.5 }),
    'unsupported_model',
    /llama3.*partial_rotary_factor/u,
  ],
  [
    'a window, and no layer that it is for',
    'olmo3',
    config({ layer_types: Array.from({ length: 5 }, () => 'full_attention') }),
    'invalid_file',
    /sliding_window.*must be 0/u,
  ],
  ['heads that are not rotated at all', 'cohere2', config({ rotary_pct: 0 }), 'invalid_file', /even number.*not 0/u],
  ['an epsilon below 0', 'qwen2', config({ rms_norm_eps: -1e-6 }), 'invalid_file', /rms_norm_eps.*at least 0/u],
  ['a base of 0 for the frequencies', 'gemma3', config({ rope_theta: 0 }), 'invalid_file', /rope_theta.*over 0/u],
  ['a base of 0, in Phi-3', 'phi4-mini', config({ rope_theta: 0 }), 'invalid_file', /rope_theta.*over 0/u],
  ['an epsilon below 0, in Gemma 3', 'gemma3', config({ rms_norm_eps: -1 }), 'invalid_file', /rms_norm_eps.*least 0/u],
  ['an epsilon below 0, in LFM2', 'lfm2', config({ norm_eps: -1 }), 'invalid_file', /norm_eps.*at least 0/u],
  [
    'no epsilon',
    'exaone',
    (family) => withoutKey('layer_norm_epsilon')(withoutKey('rms_norm_eps')(family)),
    'invalid_file',
    /layer_norm_epsilon/u,
  ],
];

describe('refused, with a sentence and without a file', () => {
  test.each(kRefused)('%s', async (_, name, change, code, said) => {
    const family = change(named(name));
    const input = writeFamily(family, folder.path('.'));
    const output = folder.path('out.gguf');
    await expect(
      quantizer.quantizeFile(input, output, { ...pre(family), type: 'F16', durability: 'none' }),
    ).rejects.toMatchObject({ name: 'QuantizeError', code, message: expect.stringMatching(said) });
    expect(existsSync(output)).toBe(false);
  });
});

test('a rule of the caller leaves out what has no place', async () => {
  const family = named('qwen2');
  const usual = folder.path('usual.gguf');
  await quantizer.quantizeFile(writeFamily(family, folder.path('.')), usual, { ...pre(family), type: 'F16' });
  const more = adding('model.layers.#.mlp.extra.weight BF16 4x4')(family);
  const output = folder.path('dropped.gguf');
  const rules = [['mlp\\.extra', 'drop']];
  await quantizer.quantizeFile(writeFamily(more, folder.path('.')), output, { ...pre(family), type: 'F16', rules });
  expect(readFileSync(output).equals(readFileSync(usual))).toBe(true);
});

test('the rule that is advised leaves out all that has no place', async () => {
  const family = named('qwen2');
  const usual = folder.path('usual.gguf');
  await quantizer.quantizeFile(writeFamily(family, folder.path('.')), usual, { ...pre(family), type: 'F16' });
  const biases = ['mlp.up_proj.bias BF16 128', 'self_attn.o_proj.bias BF16 64'];
  const more = biases.reduce((whole, line) => adding(`model.layers.#.${line}`)(whole), family);
  const input = writeFamily(more, folder.path('.'));
  const output = folder.path('dropped.gguf');
  const options = { ...pre(family), type: 'F16' };
  const error = await quantizer.quantizeFile(input, output, options).catch((thrown) => thrown);
  const [, pattern] = /the rule '(.*)=drop'/u.exec(error.message);
  await quantizer.quantizeFile(input, output, { ...options, rules: [[pattern, 'drop']] });
  expect(readFileSync(output).equals(readFileSync(usual))).toBe(true);
});

test('buffers of old checkpoints are left out', async () => {
  const family = named('gpt2');
  const usual = folder.path('usual.gguf');
  await quantizer.quantizeFile(writeFamily(family, folder.path('.')), usual, { ...pre(family), type: 'F16' });
  const more = adding('transformer.h.#.attn.bias F32 1x1x128x128')(family);
  const output = folder.path('dropped.gguf');
  await quantizer.quantizeFile(writeFamily(more, folder.path('.')), output, { ...pre(family), type: 'F16' });
  expect(readFileSync(output).equals(readFileSync(usual))).toBe(true);
});
