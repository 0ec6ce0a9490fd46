import { isFp8 } from '../factors.js';
import { checkRank, damaged, matrixOf, needed, type Format } from './layer.js';
import { E8M0 } from './numbers.js';
import { scaledTensor } from './scaled-tensor.js';
import { swizzledCount, swizzledGrid } from './spread.js';

const BLOCK = 32;

/**
 * MXFP8 of ComfyUI: E4M3 with a power of two (E8M0) for each 32 weights of a row, in cuBLAS's order. Weight = element · scale,
 * in f32; a scale of 255 is NaN, and refused.
 */
export const mxfp8: Format = {
  fits: ({ config }) => config?.['format'] === 'mxfp8' || config?.['format'] === 'mxfp8_e4m3fn',
  open: (layer) => {
    const { weight } = layer;
    if (!isFp8(weight)) throw damaged(layer, `is said to be mxfp8, but is ${weight.dtype}`);
    checkRank(layer, 'mxfp8');
    const { rows, columns } = matrixOf(layer);
    const tensor = needed(layer, '.weight_scale');
    const count = swizzledCount(rows, columns, BLOCK);
    if (weight.shape.length !== 2 || columns % BLOCK !== 0 || tensor.elements !== count || !isByte(tensor.dtype)) {
      throw damaged(layer, `is mxfp8, but has not ${count} scales of 8 bits for whole blocks of ${BLOCK}`);
    }
    const scales = { tensor, numbers: E8M0, grid: swizzledGrid(rows, columns, BLOCK) };
    const codec = `${weight.codec.name}_SCALED`;
    const form = { layer, codec, format: 'mxfp8', scales, parts: [tensor] };
    return { reads: [], parts: [tensor], decode: () => scaledTensor(form) };
  },
};

const isByte = (dtype: string): boolean => dtype === 'U8' || dtype === 'F8_E8M0';
