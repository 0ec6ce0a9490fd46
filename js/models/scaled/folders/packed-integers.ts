import type { CodedTensor, StoredPlane, Tensor } from '../../../layouts/tensor.js';
import { sourceOf, storedBytes } from '../../../layouts/tensor.js';
import { bytesOf, checkRank, damaged, matrixOf, needed, undecodable, type Format, type Layer } from '../layer.js';
import { derivedPlane, sameUnits, unitFor, type DerivedPlane, type Grid } from '../spread.js';

const PACKED = '.weight_packed';
const SHAPE = '.weight_shape';
const WORD_BITS = 32;

/** Bits that can be decoded. */
const BITS: readonly number[] = [2, 3, 4, 5, 6, 7, 8];

/** Weights that share a scale in the codecs: other groups are made of these. */
const LEAST_GROUP = 32;
const MOST_GROUP = 256;

/** The types of scales, with the bytes of one, and the codecs that compute in each of them. */
const CODECS: Readonly<Record<string, readonly [codec: string, bytes: number]>> = {
  F32: ['ct_int_f32', 4],
  F16: ['ct_int_f16', 2],
  BF16: ['ct_int_bf16', 2],
};

/**
 * Integers of compressed-tensors (pack-quantized): levels in words of 32 bits, the first one in the lowest bits, row by row; a
 * scale for each group of a row, or for each row; and, of those that are not symmetric, a zero point for each scale, which is
 * packed down the columns. A level is the integer and 2^(bits − 1). Weight = (level − zero point) · scale, rounded to the type
 * of the scales.
 */
export const packedIntegers: Format = {
  fits: ({ weight, beside }) => weight.name.endsWith(PACKED) && weight.dtype === 'I32' && beside(SHAPE) !== undefined,
  open: (layer) => {
    checkRank(layer, 'pack-quantized');
    if (layer.beside('.weight_g_idx') !== undefined) throw undecodable(layer, 'pack-quantized with "weight_g_idx"');
    const shape = needed(layer, SHAPE);
    const scales = needed(layer, '.weight_scale');
    const zeroPoints = layer.beside('.weight_zero_point');
    if (shape.elements !== 2 || (shape.dtype !== 'I64' && shape.dtype !== 'I32')) {
      throw damaged(layer, `needs two whole numbers in ${SHAPE.slice(1)}`);
    }
    const parts = [shape, scales, ...(zeroPoints === undefined ? [] : [zeroPoints])];
    return {
      reads: [bytesOf(shape)],
      parts,
      decode: ([bytes = new Uint8Array()]) => {
        const form = formOf(layer, numbersIn(bytes, shape.dtype), scales);
        return packedTensor(layer, form, zeroPoints, parts);
      },
    };
  },
};

function numbersIn({ buffer, byteOffset, byteLength }: Uint8Array, dtype: string): readonly number[] {
  const view = new DataView(buffer, byteOffset, byteLength);
  const width = dtype === 'I64' ? 8 : 4;
  return [0, width].map((at) => (dtype === 'I64' ? Number(view.getBigInt64(at, true)) : view.getInt32(at, true)));
}

/** What is known of a layer. */
interface PackedForm {
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly scales: Tensor;
  /** Scales of a row. */
  readonly groups: number;
  /** Where the scale of each unit of the codec lies. */
  readonly grid: Grid;
}

function formOf(layer: Layer, [rows = 0, columns = 0]: readonly number[], scales: Tensor): PackedForm {
  const { rows: packedRows, columns: words } = matrixOf(layer);
  const groups = scales.elements / rows;
  const bits = (words * WORD_BITS) / columns;
  if (
    layer.weight.shape.length !== 2 ||
    rows !== packedRows ||
    rows < 1 ||
    columns < 1 ||
    !Number.isSafeInteger(rows * columns)
  ) {
    throw damaged(layer, `has not the shape that its ${SHAPE.slice(1)} says`);
  }
  if (!BITS.includes(bits)) throw undecodable(layer, packedLabel(words, columns));
  const group = columns / groups;
  const isGrouped = scales.shape[0] === rows && scales.shape.length === 2 && groups > 0;
  if (!isGrouped || !Number.isInteger(group)) {
    throw damaged(layer, `has ${scales.elements} scales, which are not so many for each of its ${rows} rows`);
  }
  const unit = Math.min(unitFor(group), MOST_GROUP);
  if (unit < LEAST_GROUP) throw undecodable(layer, `integers with a scale for each ${group} weights`);
  const index = (row: number, column: number): number => row * groups + Math.floor((column * unit) / group);
  return { rows, columns, bits, scales, groups, grid: { rows, columns, unit, index, rowsTogether: 1 } };
}

const packedLabel = (words: number, columns: number): string =>
  `integers with ${columns} weights in ${words} words of ${WORD_BITS} bits`;

function packedTensor(
  layer: Layer,
  form: PackedForm,
  zeroPoints: Tensor | undefined,
  parts: readonly Tensor[],
): CodedTensor {
  const { weight, stem } = layer;
  const { rows, columns, bits, scales, grid } = form;
  const [name, bytes] = (Object.hasOwn(CODECS, scales.dtype) ? CODECS[scales.dtype] : undefined) ?? [];
  if (name === undefined || bytes === undefined) {
    throw damaged(layer, `has scales that are no floats, but ${scales.dtype}`);
  }
  const symmetric = zeroPoints === undefined;
  const zeros = symmetric ? middleLevels(weight, form) : unpackedRows(layer, form, zeroPoints);
  const units = columns / grid.unit;
  // Where groups are what the codec has, the scales lie as they are to be read.
  const scalePlane = units === form.groups ? (scales.planes[0] ?? []) : [copiedUnits(scales, grid, bytes)];
  return {
    name: `${stem}.weight`,
    shape: [rows, columns],
    elements: rows * columns,
    dtype: scales.dtype,
    planes: [weight.planes[0] ?? [], scalePlane, zeros],
    codec: { name, bits, groupSize: grid.unit, symmetric },
    format: `ct int${bits} ${form.groups === 1 && columns > MOST_GROUP ? 'rows' : `g${columns / form.groups}`}${symmetric ? '' : ' asymmetric'}`,
    fileBytes: [weight, ...parts].reduce((sum, part) => sum + storedBytes(part), 0),
  };
}

/** The level of the weight 0 where integers are symmetric, once for each unit. */
const middleLevels = (weight: Tensor, { rows, columns, bits, grid }: PackedForm): StoredPlane => [
  sameUnits(sourceOf(weight), Uint8Array.of(2 ** (bits - 1)), (rows * columns) / grid.unit),
];

/** The scale of each unit, as it is stored. */
const copiedUnits = (tensor: Tensor, grid: Grid, bytes: number): StoredPlane[number] => {
  const put: DerivedPlane['put'] = (into, at, stored, position) => {
    for (let byte = 0; byte < bytes; ++byte) into.setUint8(at + byte, stored.getUint8(position + byte));
  };
  return derivedPlane({ tensor, grid, elementBytes: bytes, unitBytes: bytes, put });
};

/** The zero point of each unit. They are packed as the weights are, but each column by itself, down the rows. */
function unpackedRows(layer: Layer, { rows, bits, groups, grid }: PackedForm, tensor: Tensor): StoredPlane {
  const words = Math.ceil((rows * bits) / WORD_BITS);
  if (tensor.dtype !== 'I32' || String(tensor.shape) !== String([words, groups])) {
    throw damaged(
      layer,
      `needs [${words}, ${groups}] I32 of zero points, and has [${tensor.shape.join(', ')}] ${tensor.dtype}`,
    );
  }
  const index = (row: number, column: number): number =>
    Math.floor((row * bits) / WORD_BITS) * groups + (grid.index(row, column) % groups);
  const put: DerivedPlane['put'] = (into, at, stored, position, _, row) => {
    const first = (row * bits) % WORD_BITS;
    const left = WORD_BITS - first;
    const low = stored.getUint32(position, true) >>> first;
    // Those of three bits may begin in one word and end in the next one of the column.
    const high = left < bits ? stored.getUint32(position + groups * 4, true) << left : 0;
    into.setUint8(at, (low | high) & (2 ** bits - 1));
  };
  return [derivedPlane({ tensor, grid: { ...grid, index }, elementBytes: 4, unitBytes: 1, behind: groups, put })];
}
