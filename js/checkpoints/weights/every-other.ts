import { fileBytes, type StoredPlane } from '../../layouts/tensor.js';
import { MadeSource, bytesAt } from './made-source.js';
import { misshapen, planeOf, rowBytes, type Weight } from './weight.js';

/** Which of two rows that alternate. */
export type Parity = 0 | 1;

/** Rows of that many bytes: each second one of a plane's, beginning with the first or the second. `rows` of them are left. */
export function everyOtherOf(plane: StoredPlane, row: number, rows: number, parity: Parity): StoredPlane {
  if (rows === 0 || row === 0) return plane.slice(0, 1).map((range) => ({ ...range, bytes: 0 }));
  /** Where a byte of what is made lies. */
  const placeOf = (position: number): number => (Math.floor(position / row) * 2 + parity) * row + (position % row);
  const source = new MadeSource(plane, rows * row, async (position, into) => {
    const begin = placeOf(position);
    const from = await bytesAt(plane, begin, placeOf(position + into.length - 1) + 1 - begin);
    for (let at = 0; at < into.length;) {
      const inRow = (position + at) % row;
      const count = Math.min(row - inRow, into.length - at);
      const first = placeOf(position + at) - begin;
      for (let byte = 0; byte < count; ++byte) into[at + byte] = from[first + byte] ?? 0;
      at += count;
    }
  });
  return [{ source, begin: 0, bytes: source.size }];
}

/** Each second of what the first dimension counts. Throws `invalid_file` where that is not even. */
export function everyOther(weight: Weight, parity: Parity): Weight {
  const [count = 1, ...rest] = weight.shape;
  if (count % 2 !== 0) throw misshapen(weight, 'an even number of rows');
  const rows = count / 2;
  const planes = [everyOtherOf(planeOf(weight), rowBytes(weight), rows, parity)];
  const shares = { elements: weight.elements / 2, fileBytes: Math.round(fileBytes(weight) / 2) };
  return { ...weight, ...shares, shape: [rows, ...rest], planes };
}
