import type { CodedTensor, Tensor } from '../../../layouts/tensor.js';
import { storedBytes } from '../../../layouts/tensor.js';
import { checkRank, damaged, matrixOf, needed, undecodable, type Format } from '../layer.js';
import { floatsOf } from '../numbers.js';
import { spreadScales, tileGrid } from '../spread.js';

const QUANTIZED = '.q_weight';
const GROUP_SIZE = 32;
const WORD_WEIGHTS = 8;
const GROUP_WORDS = GROUP_SIZE / WORD_WEIGHTS;

/**
 * Integers of MLC-LLM (q4f16_1, q4f32_1): eight in a word of 32 bits, the first one in the lowest bits, row by row, and a scale
 * for each 32 weights of a row. Weight = (element − 7) · scale, in f16 or in f32. Scales of q4f32_1 are stored as BF16.
 */
export const mlc: Format = {
  fits: ({ weight, beside }) =>
    weight.name.endsWith(QUANTIZED) && weight.dtype === 'U32' && beside('.q_scale') !== undefined,
  open: (layer) => {
    checkRank(layer, 'integers of MLC');
    const { weight, stem } = layer;
    const scales = needed(layer, '.q_scale');
    const { rows, columns: words } = matrixOf(layer);
    const [scaleRows, groups = 0] = scales.shape;
    if (weight.shape.length !== 2 || scales.shape.length !== 2) throw damaged(layer, 'is no matrix with scales');
    if (scaleRows !== rows || groups * GROUP_WORDS !== words) {
      throw undecodable(
        layer,
        `integers of MLC in the shapes [${weight.shape.join(', ')}] and [${scales.shape.join(', ')}]`,
      );
    }
    const columns = words * WORD_WEIGHTS;
    const isHalf = scales.dtype === 'F16';
    const numbers = floatsOf(layer, scales);
    const grid = tileGrid(rows, columns, 1, GROUP_SIZE);
    const plane = (): Tensor['planes'][number] =>
      isHalf || scales.dtype === 'F32'
        ? (scales.planes[0] ?? [])
        : [spreadScales({ layer, tensor: scales, numbers, grid })];
    const decode = (): CodedTensor => ({
      name: `${stem}.weight`,
      shape: [rows, columns],
      elements: rows * columns,
      dtype: isHalf ? 'F16' : 'F32',
      planes: [weight.planes[0] ?? [], plane()],
      codec: { name: isHalf ? 'mlc_q4f16' : 'mlc_q4f32', bits: 0, groupSize: GROUP_SIZE, symmetric: false },
      format: isHalf ? 'mlc q4f16_1' : 'mlc q4f32_1',
      fileBytes: storedBytes(weight) + storedBytes(scales),
    });
    return { reads: [], parts: [scales], decode };
  },
};
