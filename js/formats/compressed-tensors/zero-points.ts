const WORD_BITS = 32;

/** Words of `bits` bits that a column of so many zero points takes. */
export const packedRows = (rows: number, bits: number): number => Math.ceil((rows * bits) / WORD_BITS);

/**
 * Zero points of `bits` bits, row by row, packed down each column: the first one in the lowest bits of little-endian words of 32,
 * without gaps; the last word of a column is filled up with zeros. The words lie row by row, too.
 */
export function packDown(zeroPoints: Uint8Array, columns: number, bits: number): Uint8Array<ArrayBuffer> {
  const rows = columns === 0 ? 0 : zeroPoints.length / columns;
  const words = new Uint32Array(packedRows(rows, bits) * columns);
  for (let row = 0; row < rows; ++row) {
    const first = (row * bits) % WORD_BITS;
    const word = Math.floor((row * bits) / WORD_BITS) * columns;
    const left = WORD_BITS - first;
    for (let column = 0; column < columns; ++column) {
      const zeroPoint = zeroPoints[row * columns + column] ?? 0;
      words[word + column] = (words[word + column] ?? 0) | (zeroPoint << first);
      if (left < bits) words[word + columns + column] = zeroPoint >>> left;
    }
  }
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setUint32(4 * index, word, true);
  return bytes;
}
