import { rotationOf } from './int8.js';
import { checkRank, damaged, matrixOf, needed, rowsOf, type Format } from './layer.js';
import { floatsOf } from './numbers.js';
import { scaledTensor } from './scaled-tensor.js';
import { rowGrid } from './spread.js';

/**
 * ComfyUI's `convrot_w4a4`: integers of 4 bits, two in an I8, the first one in the low bits, with a scale for each row, and
 * rotated. Weight = element · scale, in f32; then each group of a row is rotated back.
 */
export const convrot4: Format = {
  rotates: true,
  fits: ({ config }) => config?.['format'] === 'convrot_w4a4',
  open: (layer) => {
    const { weight } = layer;
    checkRank(layer, 'convrot_w4a4');
    const { rows, columns: pairs } = matrixOf(layer);
    const isPacked = (weight.dtype === 'I8' || weight.dtype === 'U8') && weight.shape.length === 2;
    if (!isPacked) throw damaged(layer, `is said to be convrot_w4a4, but is ${weight.dtype}`);
    const tensor = needed(layer, '.weight_scale');
    const rotation = rotationOf(layer, true) ?? 0;
    const columns = 2 * pairs;
    if (columns % rotation !== 0 || rowsOf(layer, tensor)?.rows !== rows) {
      throw damaged(layer, `is convrot_w4a4, but has not one scale for each row of whole groups of ${rotation}`);
    }
    const scales = { tensor, numbers: floatsOf(layer, tensor), grid: rowGrid(rows, columns, rotation) };
    const shape = [rows, columns];
    const form = { layer, codec: 'I4_ROTATED', format: 'int4 convrot', scales, parts: [tensor], shape };
    return { reads: [], parts: [tensor], decode: () => scaledTensor(form) };
  },
};
