import { isFloat } from '../../codecs/codec.js';
import type { Tensor } from '../../layouts/tensor.js';
import { bytesOf, checkRank, damaged, matrixOf, needed, type Decoding, type Format, type Layer } from './layer.js';
import { E4M3, E8M0, floatsOf, numberOf, type Numbers } from './numbers.js';
import { scaledTensor } from './scaled-tensor.js';
import { swizzledCount, swizzledGrid, tileGrid, type Grid } from './spread.js';

/** Weights of a row that share a scale. */
const NVFP4_BLOCK = 16;
const MXFP4_BLOCK = 32;

/**
 * NVFP4 of ComfyUI: two E2M1 in a byte, the first one in the high bits; an E4M3 for each 16 weights of a row, in cuBLAS's
 * order; a factor for all of a tensor. Weight = element · (factor · scale), each product rounded to f32.
 */
export const nvfp4: Format = {
  fits: ({ config }) => config?.['format'] === 'nvfp4',
  open: (layer) => {
    const { rows, columns } = packedMatrix(layer, 'nvfp4', NVFP4_BLOCK);
    const scale = scalesOf(layer, '.weight_scale', ['F8_E4M3', 'U8'], swizzledCount(rows, columns, NVFP4_BLOCK));
    const grid = swizzledGrid(rows, columns, NVFP4_BLOCK);
    const factor = factorOf(layer, '.weight_scale_2');
    return withFactor({ layer, codec: 'E2M1_HIGH_SCALED', scale, grid, factor, adjust: (one, all) => one * all });
  },
};

/**
 * NVFP4 of compressed-tensors: the same, but the first element in the low bits, the scales in rows, and a factor that they
 * are divided by. Weight = element · (scale / factor), both rounded to f32.
 */
export const packedNvfp4: Format = {
  fits: ({ weight, beside }) => isPackedWeight(weight) && beside('.weight_global_scale') !== undefined,
  open: (layer) => {
    const { rows, columns } = packedMatrix(layer, 'nvfp4', NVFP4_BLOCK);
    const scale = scalesOf(layer, '.weight_scale', ['F8_E4M3'], (rows * columns) / NVFP4_BLOCK);
    const grid = tileGrid(rows, columns, 1, NVFP4_BLOCK);
    const factor = factorOf(layer, '.weight_global_scale');
    return withFactor({ layer, codec: 'E2M1_SCALED', scale, grid, factor, adjust: (one, all) => one / all });
  },
};

/**
 * MXFP4 of compressed-tensors, and of ComfyUI's JSON: two E2M1 in a byte, the first one in the low bits, with a power of two
 * (E8M0) for each 32 weights of a row, in rows. Weight = element · scale, in f32; a scale of 255 is NaN, and refused.
 */
export const mxfp4: Format = {
  fits: ({ weight, config }) => config?.['format'] === 'mxfp4' || isPackedWeight(weight),
  open: (layer) => {
    const { rows, columns } = packedMatrix(layer, 'mxfp4', MXFP4_BLOCK);
    const tensor = scalesOf(layer, '.weight_scale', ['U8', 'F8_E8M0'], (rows * columns) / MXFP4_BLOCK);
    const scales = { tensor, numbers: E8M0, grid: tileGrid(rows, columns, 1, MXFP4_BLOCK) };
    const form = { layer, codec: 'E2M1_SCALED', format: 'mxfp4', scales, parts: [tensor] };
    return { reads: [], parts: [tensor], decode: () => scaledTensor({ ...form, ...logical(layer, rows, columns) }) };
  },
};

const PACKED = '.weight_packed';
const isPackedWeight = ({ name, dtype }: Tensor): boolean => name.endsWith(PACKED) && dtype === 'U8';

/** Name and shape of the weights that two in a byte stand for. */
const logical = (
  { stem }: Layer,
  rows: number,
  columns: number,
): { readonly name: string; readonly shape: readonly number[] } => ({ name: `${stem}.weight`, shape: [rows, columns] });

function packedMatrix(
  layer: Layer,
  format: string,
  block: number,
): { readonly rows: number; readonly columns: number } {
  const { weight } = layer;
  checkRank(layer, format);
  const { rows, columns } = matrixOf(layer);
  if (weight.dtype !== 'U8' || weight.shape.length !== 2 || (2 * columns) % block !== 0) {
    throw damaged(layer, `is ${format}, but no U8 of two dimensions with whole blocks of ${block} weights`);
  }
  return { rows, columns: 2 * columns };
}

function scalesOf(layer: Layer, suffix: string, dtypes: readonly string[], count: number): Tensor {
  const tensor = needed(layer, suffix);
  if (tensor.elements === count && dtypes.includes(tensor.dtype)) return tensor;
  throw damaged(
    layer,
    `has ${tensor.elements} scales of ${tensor.dtype}, but needs ${count} of ${dtypes.join(' or ')}`,
  );
}

function factorOf(layer: Layer, suffix: string): Tensor {
  const factor = needed(layer, suffix);
  if (factor.elements === 1 && factor.codec !== null && isFloat(factor.codec)) return factor;
  throw damaged(layer, `needs one float in ${suffix.slice(1)}, and has ${factor.elements} of ${factor.dtype}`);
}

interface FactoredForm {
  readonly layer: Layer;
  readonly codec: string;
  readonly scale: Tensor;
  readonly grid: Grid;
  readonly factor: Tensor;
  readonly adjust: (scale: number, factor: number) => number;
}

function withFactor({ layer, codec, scale, grid, factor, adjust }: FactoredForm): Decoding {
  const numbers: Numbers = floatsOf(layer, factor);
  const parts = [scale, factor];
  return {
    reads: [bytesOf(factor)],
    parts,
    decode: ([bytes]) => {
      const all = numberOf(layer, factor, numbers, bytes);
      const scales = { tensor: scale, numbers: E4M3, grid, adjust: (one: number) => adjust(one, all) };
      return scaledTensor({
        ...{ layer, codec, format: 'nvfp4', scales, parts },
        ...logical(layer, grid.rows, grid.columns),
      });
    },
  };
}
