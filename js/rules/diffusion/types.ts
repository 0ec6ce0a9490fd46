/**
 * What a diffusion model's tensors become. ComfyUI-GGUF does it in two steps, a converter that writes F16, BF16 and F32,
 * and a changed llama.cpp that quantizes that file; here each tensor goes to its last type at once.
 */

import type { FileType, TensorType } from '../../types.js';
import type { OutputForm, TypeChoice } from '../decision.js';
import type { DiffusionFamily } from './families.js';
import { BLOCK_WEIGHTS, BASE_TYPES, ggmlRank, holdsRows, isBlockType, rowWeights } from '../file-types.js';
import type { TensorDescription } from '../rule.js';
import { isDecoded, undecodedBecause } from '../type-rules.js';

const MOST_DIMENSIONS = 4;
const SMALL_TENSOR = 1024;
const FEWEST_TO_RESHAPE = 512;
const RESHAPED_ROW = 256;

const contains = (parts: readonly string[] | undefined, name: string): boolean =>
  parts?.some((part) => (part.startsWith('=') ? name === part.slice(1) : name.includes(part))) ?? false;

/** Whether the tensor is no part of a GGUF file of the family. */
export const isIgnored = (family: DiffusionFamily, name: string): boolean => contains(family.ignore, name);

/** The output's name and shape. A tensor of a U-Net whose rows are no whole blocks becomes rows of 256. */
export function outputForm(family: DiffusionFamily, { shape, elements }: TensorDescription, name: string): OutputForm {
  const reshapes =
    family.reshapes === true &&
    shape.length > 1 &&
    shape.length <= MOST_DIMENSIONS &&
    elements >= FEWEST_TO_RESHAPE &&
    elements % RESHAPED_ROW === 0 &&
    rowWeights(shape) % RESHAPED_ROW !== 0;
  if (!reshapes) return { name, shape, keyValues: [] };
  const fact = { key: `comfy.gguf.orig_shape.${name}`, values: shape };
  return { name, shape: [elements / RESHAPED_ROW, RESHAPED_ROW], keyValues: [fact] };
}

/** What the converter's file has, before anything is quantized. */
function unquantized(family: DiffusionFamily, tensor: TensorDescription, output: OutputForm): TypeChoice {
  if (output.shape.length > MOST_DIMENSIONS) return { type: 'F32', rule: `rank ${output.shape.length}` };
  if (tensor.dtype !== 'F32' && tensor.dtype !== 'BF16') return { type: 'F16', rule: 'not quantized: F16' };
  if (output.shape.length <= 1) return { type: 'F32', rule: 'rank below 2' };
  if (tensor.elements <= SMALL_TENSOR) return { type: 'F32', rule: `at most ${SMALL_TENSOR} elements` };
  if (contains(family.highPrecision, output.name)) {
    return { type: 'F32', rule: `${family.architecture}: high precision` };
  }
  return tensor.dtype === 'BF16'
    ? { type: 'BF16', rule: 'not quantized: BF16' }
    : { type: 'F16', rule: 'not quantized: F16' };
}

/** Why a matrix is not quantized; null when it is. */
function keptBecause(family: DiffusionFamily, { name, shape }: OutputForm): string | null {
  if (ggmlRank(shape) !== 2) return ggmlRank(shape) < 2 ? 'rank below 2' : 'rank above 2';
  if (!name.endsWith('weight')) return 'no weight';
  if (name.includes('_norm.weight')) return 'norm';
  return contains(family.keep, name) ? `${family.architecture}: keep` : null;
}

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

/** Where rows are no whole blocks: F16, as convolutions of the programs need it. */
export const notInBlocks = (type: TensorType, shape: readonly number[]): TypeChoice => ({
  type: 'F16',
  rule: `row of ${rowWeights(shape)}, no whole blocks of ${BLOCK_WEIGHTS[type]}: F16`,
});

/** What becomes of one tensor of a family. `mixture` is null for a pure file. */
export function diffusionType(
  family: DiffusionFamily,
  tensor: TensorDescription,
  output: OutputForm,
  {
    target,
    mixture,
    hasFinalNames,
  }: {
    readonly target: FileType;
    readonly mixture: DiffusionMixture | null;
    /** Such a model has had the first of the two steps. */
    readonly hasFinalNames: boolean;
  },
): TypeChoice {
  if (!isDecoded(tensor)) return { type: 'keep', rule: undecodedBecause(tensor.dtype) };
  if (target === 'F32') return { type: 'F32', rule: 'all F32' };
  const why = keptBecause(family, output);
  if (why !== null) {
    const plain = unquantized(family, tensor, output);
    if (hasFinalNames) return { type: 'keep', rule: why };
    return { type: plain.type, rule: plain.rule.startsWith('not quantized') ? why : plain.rule };
  }
  if (output.shape.length > MOST_DIMENSIONS) return unquantized(family, tensor, output);
  const base = BASE_TYPES[target];
  const chosen = isBlockType(base) && mixture !== null ? mixture.next(output.name) : { type: base, rule: 'matrix' };
  return holdsRows(chosen.type, output.shape) ? chosen : notInBlocks(chosen.type, output.shape);
}
