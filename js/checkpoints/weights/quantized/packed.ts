import type { Tensor } from '../../../layouts/tensor.js';
import type { Weight } from '../weight.js';
import { besides, damaged, decodedWeight, floatsAt, shapeText, wordsAt, type Block } from './rows.js';

const WORD_BITS = 32;

/** How numbers are packed, as the model's config says. */
export interface Packing {
  readonly bits: number;
  readonly groupSize: number;
}

/** The tensors of one weight, by what they are. */
interface Parts {
  readonly words: Tensor;
  readonly scales: Tensor;
  readonly zeroPoints: Tensor | undefined;
}

/** Integers of a word; what is left of its bits is not used. */
const perWord = ({ bits }: Packing): number => Math.floor(WORD_BITS / bits);

/** The shape of a weight that is packed, as its own tensor says. Throws `invalid_file` where nothing valid does. */
export function packedShape(stored: Tensor, bytes: Uint8Array): readonly [number, number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLong = stored.dtype === 'I64';
  const at = (index: number): number =>
    isLong ? Number(view.getBigInt64(index * 8, true)) : view.getInt32(index * 4, true);
  return [at(0), at(1)];
}

/** The tensor that says so. Throws `invalid_file` where it cannot. */
export function packedShapeTensor(words: Tensor, base: string, tensors: ReadonlyMap<string, Tensor>): Tensor {
  const shape = besides(words, `${base}_shape`, tensors);
  if (shape.elements === 2 && (shape.dtype === 'I64' || shape.dtype === 'I32')) return shape;
  throw damaged(words, `needs two whole numbers in ${base}_shape, and has ${shapeText(shape)}`);
}

/**
 * Integers of compressed-tensors (pack-quantized) under the name `base`: in words of 32 bits, the first one in the lowest bits, row
 * by row, with a scale for each group of a row and, where it is not 2^(bits − 1), a zero point for each, which are packed down
 * the columns. Weight = f32(integer − zero point) · f32(scale), rounded to F32. Throws `invalid_file` where shapes contradict.
 */
export function packedWeight(
  base: string,
  [rows, columns]: readonly [number, number],
  packing: Packing,
  tensors: ReadonlyMap<string, Tensor>,
): Weight {
  const words = tensors.get(`${base}_packed`);
  if (words === undefined) throw new RangeError(`there is no ${base}_packed`);
  const scales = besides(words, `${base}_scale`, tensors);
  const parts = { words, scales, zeroPoints: tensors.get(`${base}_zero_point`) };
  checkShapes(parts, rows, columns, packing);
  const stored = [words, scales, ...(parts.zeroPoints === undefined ? [] : [parts.zeroPoints])];
  const format = `int${packing.bits} g${packing.groupSize}`;
  return decodedWeight({
    ...{ name: base, shape: [rows, columns], parts: stored, format },
    decode: (block, into) => unpack({ parts, width: columns, packing }, block, into),
  });
}

function checkShapes({ words, scales, zeroPoints }: Parts, rows: number, columns: number, packing: Packing): void {
  const [packedRows, across] = words.shape;
  const per = perWord(packing);
  const groups = columns / packing.groupSize;
  const isWhole = Number.isSafeInteger(rows * columns) && rows > 0 && columns > 0 && Number.isInteger(groups);
  const isPacked = words.dtype === 'I32' && words.shape.length === 2 && packedRows === rows;
  if (!isWhole || !isPacked || (across ?? 0) * per < columns) {
    throw damaged(
      words,
      `is ${shapeText(words)}, which are not ${rows} rows of ${columns} integers of ${packing.bits} bits in groups of ${packing.groupSize}`,
    );
  }
  const isFloat = ['F32', 'F16', 'BF16'].includes(scales.dtype);
  if (!isFloat || String(scales.shape) !== String([rows, groups])) {
    throw damaged(words, `needs [${rows}, ${groups}] scales, and has ${shapeText(scales)}`);
  }
  const down = Math.ceil(rows / per);
  if (zeroPoints === undefined) return;
  if (zeroPoints.dtype !== 'I32' || String(zeroPoints.shape) !== String([down, groups])) {
    throw damaged(words, `needs [${down}, ${groups}] I32 of zero points, and has ${shapeText(zeroPoints)}`);
  }
}

/** A weight that is packed; `width` are its columns. */
interface Packed {
  readonly parts: Parts;
  readonly width: number;
  readonly packing: Packing;
}

async function unpack({ parts, width, packing }: Packed, block: Block, values: Float32Array): Promise<void> {
  const { words, scales, zeroPoints } = parts;
  const { row: first, rows, column, columns } = block;
  const { bits, groupSize } = packing;
  const [per, mask, across, groups] = [perWord(packing), 2 ** bits - 1, words.shape[1] ?? 0, width / groupSize];
  const begin = Math.floor(column / per);
  const end = Math.ceil((column + columns) / per);
  // Rows of several are whole.
  const stored = rows === 1 ? end - begin : across;
  const top = Math.floor(first / per);
  const bottom = Math.ceil((first + rows) / per);
  const [levels, factors, zeros] = await Promise.all([
    wordsAt(words, first * across + begin, rows * stored),
    floatsAt(scales, first * groups, rows * groups),
    zeroPoints === undefined ? null : wordsAt(zeroPoints, top * groups, (bottom - top) * groups),
  ]);
  for (let row = 0, at = 0; row < rows; ++row) {
    const zeroRow = (Math.floor((first + row) / per) - top) * groups;
    const zeroShift = ((first + row) % per) * bits;
    for (let place = column; place < column + columns;) {
      const group = Math.floor(place / groupSize);
      const zero = zeros === null ? 2 ** (bits - 1) : ((zeros[zeroRow + group] ?? 0) >>> zeroShift) & mask;
      const scale = factors[row * groups + group] ?? 0;
      for (const next = Math.min(column + columns, (group + 1) * groupSize); place < next; ++place, ++at) {
        const word = levels[row * stored + Math.floor(place / per) - begin] ?? 0;
        values[at] = (((word >>> ((place % per) * bits)) & mask) - zero) * scale;
      }
    }
  }
}
