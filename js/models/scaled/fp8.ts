import { fp8Factor, isFp8 } from '../factors.js';
import type { CodedTensor, Tensor } from '../../layouts/tensor.js';
import { bytesOf, damaged, matrixOf, rowsOf, undecodable, type Format, type Layer } from './layer.js';
import { floatsOf, numberOf } from './numbers.js';
import { scaledTensor } from './scaled-tensor.js';
import { rowGrid, tileGrid, type Grid } from './spread.js';

/** Rows and columns of the tiles that `weight_scale_inv` has scales for. */
const TILE = 128;

/**
 * fp8 (F8_E4M3 or F8_E5M2) with a factor for all of a tensor, for each row, or for each tile of 128 × 128 (the last ones may
 * be smaller). Weight = element · factor, in f32, whatever the factor's name says of an inverse.
 */
export const fp8: Format = {
  canStay: true,
  fits: ({ weight, byName, config }) =>
    config === undefined ? isFp8(weight) && fp8Factor(weight, byName) !== undefined : isNamed(config),
  open: (layer) => {
    const { weight } = layer;
    if (!isFp8(weight)) throw damaged(layer, `is said to be fp8, but is ${weight.dtype}`);
    const factor = fp8Factor(weight, layer.byName);
    if (factor === undefined) throw damaged(layer, 'is said to be fp8 with a scale, but no scale is beside it');
    if (factor.elements !== 1 && (factor.dtype === 'U8' || factor.dtype.startsWith('F8_'))) {
      throw undecodable(
        layer,
        `${weight.dtype} with scales of ${factor.dtype} in an order that nothing in the file tells`,
      );
    }
    const numbers = floatsOf(layer, factor);
    if (factor.elements !== 1) {
      const { grid, format } = gridOf(layer, factor);
      const scales = { tensor: factor, numbers, grid };
      const codec = `${weight.codec.name}_SCALED`;
      const form = { layer, codec, format, scales, parts: [factor] };
      return { reads: [], parts: [factor], decode: () => scaledTensor(form) };
    }
    const decode = ([bytes]: readonly Uint8Array[]): CodedTensor => {
      return { ...weight, scale: numberOf(layer, factor, numbers, bytes) };
    };
    return { reads: [bytesOf(factor)], parts: [factor], decode };
  },
};

const isNamed = ({ format }: Readonly<Record<string, unknown>>): boolean =>
  format === 'float8_e4m3fn' || format === 'float8_e5m2';

function gridOf(layer: Layer, factor: Tensor): { readonly grid: Grid; readonly format: string } {
  const { rows, columns } = matrixOf(layer);
  const byRows = rowsOf(layer, factor);
  if (byRows !== null) return { grid: rowGrid(byRows.rows, byRows.columns), format: 'fp8 rows' };
  const [down, across] = factor.shape;
  const isTiled =
    factor.shape.length === 2 &&
    layer.weight.shape.length === 2 &&
    down === Math.ceil(rows / TILE) &&
    across === Math.ceil(columns / TILE);
  if (isTiled) return { grid: tileGrid(rows, columns, TILE, TILE), format: 'fp8 blocks' };
  const shape = `[${factor.shape.join(', ')}]`;
  throw damaged(
    layer,
    `is fp8 with scales of shape ${shape}, which are neither one, nor one for each row, nor one for each ${TILE} × ${TILE} weights; convert the model to BF16 first`,
  );
}
