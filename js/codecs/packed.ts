/** Whole numbers of fewer bits than a byte has. */

/** Numbers, first in the lowest bits. What is left of the last byte is `filling`, number by number. */
export function packed(numbers: Uint8Array, bits: number, filling = 0): Uint8Array {
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  const bytes = new Uint8Array(Math.ceil(numbers.length / perByte));
  for (let at = 0; at < bytes.length * perByte; ++at) {
    const index = Math.floor(at / perByte);
    const number = (numbers[at] ?? filling) & mask;
    bytes[index] = (bytes[index] ?? 0) | (number << ((at % perByte) * bits));
  }
  return bytes;
}

/** The number at place `index` of packed ones. */
export const unpackedAt = (bytes: Uint8Array, index: number, bits: number): number => {
  const bit = index * bits;
  return ((bytes[Math.floor(bit / 8)] ?? 0) >> (bit % 8)) & (2 ** bits - 1);
};
