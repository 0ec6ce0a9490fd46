/** Which matrices of diffusion models the mixtures give more bits: the facts are those of ComfyUI-GGUF's llama.cpp. */

import type { FileType, TensorType } from '../../types.js';
import type { TypeChoice } from '../decision.js';
import { BASE_TYPES } from '../file-types.js';
import { contains } from './names.js';

/** Matrices that the mixtures give more bits, by parts of names. */
const VALUES = [
  'attn_v.weight',
  '.to_v.weight',
  '.v.weight',
  '.attn.w1v.weight',
  '.attn.w2v.weight',
  '_attn.v_proj.weight',
];
const FUSED = ['attn_qkv.weight', 'attn.qkv.weight', 'attention.qkv.weight'];
const FEED_FORWARD = [
  'ffn_down',
  '.ffn.2.weight',
  '.ff.net.2.weight',
  '.mlp.layer2.weight',
  '.adaln_modulation_mlp.2.weight',
  '.feed_forward.w2.weight',
];

type Mixture = Readonly<Partial<Record<FileType, TensorType>>>;

const VALUE_MIXTURE: Mixture = { Q2_K: 'Q3_K', Q3_K_M: 'Q4_K', Q3_K_L: 'Q5_K', Q4_K_M: 'Q6_K', Q5_K_M: 'Q6_K' };
/** By file type, how many of the first values get Q5_K. */
const FIRST_VALUES: Readonly<Partial<Record<FileType, number>>> = { Q3_K_M: 2, Q4_K_S: 4 };
const FUSED_MIXTURE: Mixture = { Q3_K_M: 'Q4_K', Q3_K_L: 'Q4_K', Q4_K_M: 'Q5_K', Q5_K_M: 'Q6_K' };
const FEED_FORWARD_MIXTURE: Mixture = {
  Q3_K_M: 'Q4_K',
  Q3_K_L: 'Q5_K',
  Q4_K_S: 'Q5_K',
  Q4_K_M: 'Q6_K',
  Q5_K_M: 'Q6_K',
  Q4_0: 'Q4_1',
  Q5_0: 'Q5_1',
};

const isExpertsDown = (name: string): boolean => name.includes('experts.') && name.includes('.w2.weight');

/**
 * Gives the mixture's type for one matrix after the other, in the order in which llama.cpp goes through a file: the first
 * attention values differ from the others.
 */
export class DiffusionMixture {
  readonly #target: FileType;
  #values = 0;

  constructor(target: FileType) {
    this.#target = target;
  }

  next(name: string): TypeChoice & { readonly type: TensorType } {
    const base = BASE_TYPES[this.#target];
    const more = (type: TensorType | undefined, role: string): TypeChoice & { readonly type: TensorType } =>
      type === undefined ? { type: base, rule: 'matrix' } : { type, rule: `${role}: more bits` };
    if (contains(VALUES, name)) {
      const isFirst = this.#values++ < (FIRST_VALUES[this.#target] ?? 0);
      return more(isFirst ? 'Q5_K' : VALUE_MIXTURE[this.#target], 'attention value');
    }
    if (contains(FUSED, name)) return more(FUSED_MIXTURE[this.#target], 'fused attention');
    if (contains(FEED_FORWARD, name) || isExpertsDown(name)) {
      return more(FEED_FORWARD_MIXTURE[this.#target], 'feed-forward output');
    }
    return more(undefined, '');
  }
}
