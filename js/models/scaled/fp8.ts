import { fp8Factor, isFp8 } from '../factors.js';
import type { CodedTensor, Tensor } from '../../layouts/tensor.js';
import { bytesOf, damaged, matrixOf, rowsOf, undecodable, type Decoding, type Format, type Layer } from './layer.js';
import { objectIn } from '../model-config.js';
import { E8M0, floatsOf, numberOf } from './numbers.js';
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
  asksConfig: ({ weight, byName }) => hasByteScales(fp8Factor(weight, byName)),
  open: (layer) => {
    const { weight } = layer;
    if (!isFp8(weight)) throw damaged(layer, `is said to be fp8, but is ${weight.dtype}`);
    const factor = fp8Factor(weight, layer.byName);
    if (factor === undefined) throw damaged(layer, 'is said to be fp8 with a scale, but no scale is beside it');
    if (isOfCompressedTensors(layer, factor)) return powersOfTwo(layer, weight, factor);
    if (hasByteScales(factor)) {
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

const hasByteScales = (factor: Tensor | undefined): boolean =>
  factor !== undefined && factor.elements !== 1 && (factor.dtype === 'U8' || factor.dtype.startsWith('F8_'));

/** Weights that share a power of two in compressed-tensors' mxfp8-quantized. */
const MX_BLOCK = 32;

/** Whether config.json says that bytes beside fp8 are powers of two, in rows as the weights are. */
const isOfCompressedTensors = ({ modelConfig }: Layer, { dtype }: Tensor): boolean => {
  const said = objectIn(modelConfig, 'quantization_config');
  return dtype === 'U8' && said?.['quant_method'] === 'compressed-tensors' && said['format'] === 'mxfp8-quantized';
};

function powersOfTwo(layer: Layer, weight: CodedTensor, tensor: Tensor): Decoding {
  const { rows, columns } = matrixOf(layer);
  if (weight.shape.length !== 2 || String(tensor.shape) !== String([rows, columns / MX_BLOCK])) {
    throw damaged(layer, `is mxfp8, but has not one scale for each ${MX_BLOCK} weights of a row`);
  }
  const scales = { tensor, numbers: E8M0, grid: tileGrid(rows, columns, 1, MX_BLOCK) };
  const codec = `${weight.codec.name}_SCALED`;
  const form = { layer, codec, format: 'mxfp8', scales, parts: [tensor] };
  return { reads: [], parts: [tensor], decode: () => scaledTensor(form) };
}

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
