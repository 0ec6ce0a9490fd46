/** How precisely MLX holds the modules of a model. */

import type { Codec } from '../../codecs/codec.js';
import type { MixtureName } from '../names.js';
import { jsonNumber, type Json, type JsonObject } from '../folder/json.js';

/** `affine` and the formats of floats that MLX has. */
export type Mode = 'affine' | 'mxfp4' | 'mxfp8' | 'nvfp4';

/** The group sizes and bits that a mode can have, its own ones first. */
export const MODES: Readonly<
  Record<Mode, { readonly groupSizes: readonly number[]; readonly bits: readonly number[] }>
> = {
  affine: { groupSizes: [64, 32, 128], bits: [4, 2, 3, 5, 6, 8] },
  mxfp4: { groupSizes: [32], bits: [4] },
  mxfp8: { groupSizes: [32], bits: [8] },
  nvfp4: { groupSizes: [16], bits: [4] },
};

export interface Precision {
  readonly mode: Mode;
  readonly bits: number;
  readonly groupSize: number;
}

/** Mixtures of affine precisions: what most modules have, and what those that matter more have. */
const MIXTURES: Readonly<Record<MixtureName, { readonly low: number; readonly high: number }>> = {
  mixed_2_6: { low: 2, high: 6 },
  mixed_3_4: { low: 3, high: 4 },
  mixed_3_6: { low: 3, high: 6 },
  mixed_4_6: { low: 4, high: 6 },
};

/** What mlx-lm's rules have found for a module. */
export interface ModulePrecision extends Precision {
  /** What config.json says of the module by itself; undefined where the model's own precision is meant. */
  readonly said?: JsonObject | undefined;
}

const DTYPES: Readonly<Record<string, string>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

/** Weights of that type, held so. */
export function codecFor({ mode, bits, groupSize }: Precision, dtype: string): Codec {
  const suffix = DTYPES[dtype] ?? 'f32';
  const isAffine = mode === 'affine';
  const name = isAffine ? `mlx_${suffix}` : `mlx_${mode}_${suffix}`;
  return { name, bits: isAffine ? bits : 0, groupSize, symmetric: false };
}

/** As config.json says it. */
export const said = (groupSize: number | null, bits: number, mode?: Mode): JsonObject =>
  new Map<string, Json>([
    ['group_size', groupSize === null ? null : jsonNumber(groupSize)],
    ['bits', jsonNumber(bits)],
    ...(mode === undefined ? [] : ([['mode', mode]] as const)),
  ]);

/**
 * What a module of a mixture gets: the first and last eighth of the layers, and every third one between them, have finer values
 * and down projections, as the output projection is finer in any case (mlx_lm/convert.py). `layers` is how many the model
 * has; `place` is where in the path of a module the number of its layer stands.
 */
export function mixedBits(mixture: MixtureName, path: string, layers: number, place: number): number {
  const { low, high } = MIXTURES[mixture];
  const parts = path.split('.');
  const layer = parts.length > place ? Number(parts[place]) : 0;
  const eighth = Math.floor(layers / 8);
  const isFiner = layer < eighth || layer >= Math.floor((7 * layers) / 8) || (((layer - eighth) % 3) + 3) % 3 === 2;
  const isValue = ['v_proj', 'v_a_proj', 'v_b_proj'].some((name) => path.includes(name));
  if (isFiner && (isValue || path.includes('down_proj'))) return high;
  return path.includes('lm_head') ? high : low;
}

/** Where the number of the layer stands in the paths of modules; -1 where there is no down projection, which mixtures need. */
export function layerPlace(paths: readonly string[]): number {
  const [first] = paths.filter((path) => path.includes('down_proj'));
  if (first === undefined) return -1;
  const parts = first.split('.');
  const place = parts.findIndex((part) => /^\d+$/u.test(part));
  return place < 0 ? parts.length - 1 : place;
}
