import type { GgufValue } from '../containers/gguf/key-values.js';
import { PRE_TOKENIZERS } from './tokenizer/pre/names.js';

/** What a pair may be that the caller sets. */
export interface Settable {
  /** As callers write it: `u32`, `string[]`. */
  readonly type: string;
  /** What llama.cpp takes of that type; all of it where this is missing. */
  readonly values?: {
    readonly needed: string;
    isRight(value: GgufValue, tokens: number): boolean;
  };
}

type Table = Readonly<Record<string, Settable>>;

const of = (type: string, ...keys: readonly string[]): Table => Object.fromEntries(keys.map((key) => [key, { type }]));

const isAbove =
  (least: number) =>
  (value: GgufValue): boolean =>
    typeof value === 'number' && value > least;

const LENGTH: Settable = { type: 'u32', values: { needed: 'at least 1', isRight: isAbove(0) } };
const ABOVE_ZERO: Settable = { type: 'f32', values: { needed: 'a number above 0', isRight: isAbove(0) } };

const ROPE_SCALINGS: readonly GgufValue[] = ['none', 'linear', 'yarn', 'longrope'];

/** None, mean, first or last token: the other one, scores, needs tensors of its own. */
const POOLINGS: readonly GgufValue[] = [0, 1, 2, 3];

/** By the key behind that of the architecture: what says how a model is run, and nothing of its tensors. */
const OF_ARCHITECTURES: Table = {
  context_length: LENGTH,
  pooling_type: {
    type: 'u32',
    values: { needed: '0, 1, 2 or 3', isRight: (value) => POOLINGS.includes(value) },
  },
  'rope.freq_base': ABOVE_ZERO,
  'rope.freq_base_swa': ABOVE_ZERO,
  'rope.scaling.type': {
    type: 'string',
    values: { needed: ROPE_SCALINGS.join(', '), isRight: (value) => ROPE_SCALINGS.includes(value) },
  },
  'rope.scaling.factor': ABOVE_ZERO,
  'rope.scaling.original_context_length': LENGTH,
  ...of('bool', 'rope.scaling.finetuned'),
  ...of('f32', 'rope.scaling.alpha', 'rope.scaling.attn_factor', 'rope.scaling.yarn_log_multiplier'),
  ...of('f32', 'rope.scaling.yarn_ext_factor', 'rope.scaling.yarn_attn_factor'),
  ...of('f32', 'rope.scaling.yarn_beta_fast', 'rope.scaling.yarn_beta_slow'),
};

const SPECIAL_TOKENS = [
  ...['bos', 'eos', 'eot', 'eom', 'unknown', 'seperator', 'padding', 'cls', 'mask', 'prefix', 'suffix', 'middle'],
  ...['fim_pre', 'fim_suf', 'fim_mid', 'fim_pad', 'fim_rep', 'fim_sep'],
];

const TOKEN_ID: Settable = {
  type: 'u32',
  values: {
    needed: 'the id of a token of the vocabulary',
    isRight: (value, tokens) => typeof value === 'number' && value < tokens,
  },
};

const PRE: Settable = {
  type: 'string',
  values: {
    needed: `one of ${PRE_TOKENIZERS.join(', ')}`,
    isRight: (value) => typeof value === 'string' && PRE_TOKENIZERS.includes(value),
  },
};

const OF_TOKENIZERS: Table = {
  ...Object.fromEntries(SPECIAL_TOKENS.map((name) => [`ggml.${name}_token_id`, TOKEN_ID])),
  ...of('bool', 'ggml.add_bos_token', 'ggml.add_eos_token', 'ggml.add_sep_token', 'ggml.add_space_prefix'),
  'ggml.pre': PRE,
  ...of('string', 'chat_template'),
  ...of('string[]', 'chat_templates'),
};

/** Those whose type everybody agrees on. */
const OF_GENERAL: Table = {
  ...of('string', 'name', 'author', 'version', 'organization', 'finetune', 'basename', 'description', 'quantized_by'),
  ...of('string', 'size_label', 'license', 'license.name', 'license.link', 'url', 'doi', 'uuid', 'repo_url'),
  ...of('string', 'source.url', 'source.huggingface.repository'),
  ...of('string[]', 'tags', 'languages'),
};

const within = (table: Table, key: string): Settable | null =>
  Object.hasOwn(table, key) ? (table[key] ?? null) : null;

/**
 * What the pair `key` of a model of that architecture may be: null where it follows from weights or vocabulary, undefined where
 * llama.cpp reads no such pair, so that it may be anything. `hasPositions`: whether positions have embeddings, which are as many
 * as the context is long.
 */
export function settable(key: string, architecture: string, hasPositions: boolean): Settable | null | undefined {
  const behind = (prefix: string): string | null =>
    key.startsWith(`${prefix}.`) ? key.slice(prefix.length + 1) : null;
  const ofArchitecture = behind(architecture);
  if (ofArchitecture === 'context_length' && hasPositions) return null;
  if (ofArchitecture !== null) return within(OF_ARCHITECTURES, ofArchitecture);
  const ofTokenizer = behind('tokenizer');
  if (ofTokenizer?.startsWith('chat_template.')) return { type: 'string' };
  if (ofTokenizer !== null) return within(OF_TOKENIZERS, ofTokenizer);
  const ofGeneral = behind('general');
  if (ofGeneral === 'type') return null;
  return ofGeneral === null ? undefined : (within(OF_GENERAL, ofGeneral) ?? undefined);
}
