import { fileBytes } from '../../layouts/tensor.js';
import { MadeSource, bytesAt } from './made-source.js';
import { elementBytes, misshapen, planeOf, rowBytes, type Weight } from './weight.js';

/** What is read at a time of a head, unless two rows of it are more. */
const PIECE_BYTES = 2 ** 20;

/**
 * The rows of each head in another order: row 0 of its first half, row 0 of its second half, row 1 of the first, … That is how
 * llama.cpp rotates q and k: `reshape(heads, 2, rows / heads / 2, …).swapaxes(1, 2)`. Biases have rows of one number. Throws
 * `invalid_file` where rows are not whole pairs in every head.
 */
export function permutedHeads(weight: Weight, heads: number): Weight {
  const [rows = 0] = weight.shape;
  const isWhole = Number.isInteger(heads) && heads > 0 && weight.shape.length > 0 && rows % (2 * heads) === 0;
  if (!isWhole) throw misshapen(weight, `whole pairs of rows for each of ${heads} heads`);
  if (rows === 0 || rows === 2 * heads || weight.elements === 0) return weight;
  const plane = planeOf(weight);
  const heading: Heading = { half: rows / heads / 2, row: rowBytes(weight), width: elementBytes(weight) };
  const read = (begin: number, bytes: number): Promise<Uint8Array> => bytesAt(plane, begin, bytes);
  const source = new MadeSource(plane, rows * heading.row, (position, bytes) =>
    permuted(heading, position, bytes, read),
  );
  return { ...weight, planes: [[{ source, begin: 0, bytes: source.size }]], fileBytes: fileBytes(weight) };
}

interface Heading {
  /** Rows of half a head. */
  readonly half: number;
  /** Bytes of a row. */
  readonly row: number;
  /** Bytes of an element. */
  readonly width: number;
}

type Read = (begin: number, bytes: number) => Promise<Uint8Array>;

/** Bytes of the permuted rows, from any of them on: whole pairs of rows by two reads, and others each by itself. */
async function permuted(heading: Heading, position: number, into: Uint8Array, read: Read): Promise<void> {
  const { half, row } = heading;
  const bytes = into.length;
  const most = Math.max(1, Math.floor(PIECE_BYTES / (2 * row)));
  for (let at = 0; at < bytes;) {
    const place = position + at;
    const index = Math.floor(place / row);
    const head = Math.floor(index / (2 * half));
    const pair = Math.floor((index % (2 * half)) / 2);
    const first = (head * 2 * half + pair) * row;
    const pairs = place % (2 * row) === 0 ? Math.min(most, half - pair, Math.floor((bytes - at) / (2 * row))) : 0;
    if (pairs === 0) {
      const inRow = place % row;
      const count = Math.min(row - inRow, bytes - at);
      into.set(await read(first + (index % 2) * half * row + inRow, count), at);
      at += count;
    } else {
      const [even, odd] = await Promise.all([read(first, pairs * row), read(first + half * row, pairs * row)]);
      const end = at + pairs * 2 * row;
      interleave(even, odd, into.subarray(at, end), heading);
      at = end;
    }
  }
}

/** Rows that are copied number by number: of short ones each would be a call. */
const MOST_SHORT = 32;

function interleave(even: Uint8Array, odd: Uint8Array, into: Uint8Array, { row }: Heading): void {
  if (row <= MOST_SHORT) {
    for (let at = 0, from = 0; at < into.length; from += row) {
      for (let byte = 0; byte < row; ++byte) into[at++] = even[from + byte] ?? 0;
      for (let byte = 0; byte < row; ++byte) into[at++] = odd[from + byte] ?? 0;
    }
    return;
  }
  for (let at = 0, from = 0; at < into.length; at += 2 * row, from += row) {
    into.set(even.subarray(from, from + row), at);
    into.set(odd.subarray(from, from + row), at + row);
  }
}
