/** Arrow tables to test with, and the plain weights that they stand for. */
import { readFileSync } from 'node:fs';
import { Field, FixedSizeList, Float32, Int64, List, Utf8, makeData, makeVector, vectorFromArray } from 'apache-arrow';

/** The bytes of a file that pyarrow has written; its README says what it holds. */
export const golden = (name) => readFileSync(new URL(`../../../golden/arrow/${name}`, import.meta.url));

/** Weight `i` of a row of the golden files; make.py has the same line. */
const goldenWeight = (row, i) => (((i * 37 + row * 11) % 101) - 50) / 64;

/** What a golden file of rows of so many weights holds, by layer. */
export function goldenWeights(counts, { shaped, only = () => true }) {
  const rows = counts.map((count, row) => {
    const data = Float32Array.from({ length: count }, (_, i) => goldenWeight(row, i));
    const shape = shaped && count % 2 === 0 ? [2, count / 2] : [count];
    return [`layer.${(row * 3) % 7}`, { data, shape }];
  });
  return new Map(rows.filter((_, row) => only(row)));
}

const itemsOf = (arrays) => {
  const items = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    items.set(array, at);
    at += array.length;
  }
  return makeData({ type: new Float32(), data: items });
};

/** A list column of arrays, all in one buffer. */
export function listColumn(arrays) {
  const valueOffsets = new Int32Array(arrays.length + 1);
  arrays.forEach(({ length }, row) => (valueOffsets[row + 1] = valueOffsets[row] + length));
  const type = new List(new Field('item', new Float32(), true));
  return makeVector(makeData({ type, length: arrays.length, valueOffsets, child: itemsOf(arrays) }));
}

/** The same of arrays of one length. */
export function fixedListColumn(arrays, size) {
  const type = new FixedSizeList(size, new Field('item', new Float32(), true));
  return makeVector(makeData({ type, length: arrays.length, child: itemsOf(arrays) }));
}

export const nameColumn = (names) => vectorFromArray(names, new Utf8());

export const shapeColumn = (shapes) =>
  vectorFromArray(
    shapes.map((shape) => shape.map(BigInt)),
    new List(new Field('item', new Int64(), true)),
  );
