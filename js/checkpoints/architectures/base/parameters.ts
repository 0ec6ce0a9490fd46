import { f32, flag, u32 } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { Hparams } from '../../config/hparams.js';
import type { KeyList } from '../../key-list.js';
import { setRopeParameters } from './rope.js';

/** The names that config.json may have for the same thing; the first that is there counts. */
export const LAYERS = ['n_layers', 'num_hidden_layers', 'n_layer', 'num_layers'] as const;
export const CONTEXT = [
  'max_position_embeddings',
  'n_ctx',
  'n_positions',
  'max_length',
  'max_sequence_length',
  'model_max_length',
] as const;
export const EMBEDDING = ['hidden_size', 'n_embd', 'dim'] as const;
export const FEED_FORWARD = [
  'prefix_dense_intermediate_size',
  'dense_intermediate_size',
  'intermediate_size',
  'n_inner',
  'hidden_dim',
] as const;
export const HEADS = ['num_attention_heads', 'n_head', 'n_heads'] as const;
export const KEY_VALUE_HEADS = ['num_key_value_heads', 'n_kv_heads'] as const;
export const RMS_EPSILON = ['rms_norm_eps', 'norm_eps'] as const;
export const LAYER_NORM_EPSILON = ['layer_norm_eps', 'layer_norm_epsilon', 'norm_epsilon'] as const;
export const EXPERTS = ['num_local_experts', 'num_experts', 'n_routed_experts'] as const;
export const EXPERTS_USED = ['num_experts_per_tok', 'num_experts_per_token', 'top_k_experts'] as const;
const GATING = [
  'score_function',
  'scoring_func',
  'score_func',
  'moe_router_activation',
  'moe_router_activation_func',
  'expert_selection_fn',
] as const;

/** llama.cpp's numbers of how a router makes weights of its scores. */
const GATING_FUNCTIONS: ReadonlyMap<string, number> = new Map([
  ['softmax', 1],
  ['sigmoid', 2],
  ['sqrtsoftplus', 4],
]);

const LARGEST_U32 = 0xffffffff;

/** Throws `invalid_file` for what is missing, or no number that a u32 can be. */
export function countIn(hparams: Hparams, ...names: readonly string[]): number {
  const value = hparams.whole(...names);
  if (value < 0 || value > LARGEST_U32) throw hparams.wrong(names, `between 0 and ${LARGEST_U32}`);
  return value;
}

/** Undefined where it is missing or null. */
export const optionalCountIn = (hparams: Hparams, ...names: readonly string[]): number | undefined =>
  hparams.optionalNumber(...names) === undefined ? undefined : countIn(hparams, ...names);

/** Throws `invalid_file` for what is missing, or no number that an f32 can be near. */
export function floatIn(hparams: Hparams, ...names: readonly string[]): number {
  const value = hparams.number(...names);
  if (!Number.isFinite(Math.fround(value))) throw hparams.wrong(names, 'a number that an f32 can be');
  return value;
}

export const optionalFloatIn = (hparams: Hparams, ...names: readonly string[]): number | undefined =>
  hparams.optionalNumber(...names) === undefined ? undefined : floatIn(hparams, ...names);

/** Writes what a config says as pairs whose keys begin with the architecture's name. */
export class Parameters {
  readonly #pairs: KeyList;
  readonly #prefix: string;
  readonly #hparams: Hparams;

  constructor(pairs: KeyList, architecture: string, hparams: Hparams) {
    this.#pairs = pairs;
    this.#prefix = architecture;
    this.#hparams = hparams;
  }

  key(key: string): string {
    return `${this.#prefix}.${key}`;
  }

  /** A u32, as it is. */
  setCount(key: string, value: number): void {
    this.#pairs.set(u32(this.key(key), value));
  }

  /** An f32, rounded to the nearest. */
  setFloat(key: string, value: number): void {
    this.#pairs.set(f32(this.key(key), value));
  }

  setFlag(key: string, value: boolean): void {
    this.#pairs.set(flag(this.key(key), value));
  }

  /** A u32 of the config, which must have it. */
  count(key: string, ...names: readonly string[]): void {
    this.setCount(key, countIn(this.#hparams, ...names));
  }

  /** A u32 of the config; none where it says nothing. */
  optionalCount(key: string, ...names: readonly string[]): void {
    const value = optionalCountIn(this.#hparams, ...names);
    if (value !== undefined) this.setCount(key, value);
  }

  /** An f32 of the config, which must have it. */
  float(key: string, ...names: readonly string[]): void {
    const value = floatIn(this.#hparams, ...names);
    // llama.cpp ends itself over the one, and computes NaN with the other.
    if (key.endsWith('epsilon') && value < 0) throw this.#hparams.wrong(names, 'at least 0');
    if (key.startsWith('rope.freq_base') && value <= 0) throw this.#hparams.wrong(names, 'over 0');
    this.setFloat(key, value);
  }

  /** An f32 of the config; `otherwise` where it says nothing. */
  floatOr(key: string, otherwise: number, ...names: readonly string[]): void {
    if (this.#hparams.optionalNumber(...names) === undefined) this.setFloat(key, otherwise);
    else this.float(key, ...names);
  }

  optionalFloat(key: string, ...names: readonly string[]): void {
    if (this.#hparams.optionalNumber(...names) !== undefined) this.float(key, ...names);
  }
}

/** The pairs that most architectures have, in the order of llama.cpp's converter, with `general.file_type` at their end. */
export function setBaseParameters(pairs: KeyList, checkpoint: Checkpoint, architecture: string): void {
  const { hparams } = checkpoint;
  const parameters = new Parameters(pairs, architecture, hparams);
  parameters.count('block_count', ...LAYERS);
  parameters.optionalCount('context_length', ...CONTEXT);
  parameters.optionalCount('embedding_length', ...EMBEDDING);
  parameters.optionalCount('feed_forward_length', ...FEED_FORWARD);
  parameters.optionalCount('attention.head_count', ...HEADS);
  parameters.optionalCount('attention.head_count_kv', ...KEY_VALUE_HEADS);
  if (hparams.find('is_causal') === false) parameters.setFlag('attention.causal', false);
  setRopeParameters(pairs, checkpoint, architecture);
  parameters.optionalFloat('attention.layer_norm_rms_epsilon', ...RMS_EPSILON);
  parameters.optionalFloat('attention.layer_norm_epsilon', ...LAYER_NORM_EPSILON);
  setExperts(parameters, hparams);
  parameters.optionalCount('attention.key_length', 'head_dim');
  parameters.optionalCount('attention.value_length', 'head_dim');
  setFileType(pairs, checkpoint);
}

export const setFileType = (pairs: KeyList, checkpoint: Checkpoint): void => {
  pairs.set(u32('general.file_type', checkpoint.fileType));
};

function setExperts(parameters: Parameters, hparams: Hparams): void {
  parameters.optionalCount('expert_count', ...EXPERTS);
  parameters.optionalCount('expert_used_count', ...EXPERTS_USED);
  parameters.optionalCount('expert_group_count', 'n_group');
  parameters.optionalCount('expert_group_used_count', 'topk_group');
  const gating = hparams.find(...GATING);
  if (gating === undefined || gating === null) return;
  const number = typeof gating === 'string' ? GATING_FUNCTIONS.get(gating) : undefined;
  if (number === undefined) throw hparams.wrong(GATING, 'softmax, sigmoid or sqrtsoftplus');
  parameters.setCount('expert_gating_func', number);
}
