import { ARRAY_HEAD_BYTES, LENGTH_BYTES, type GgufKeyValue } from './key-values.js';

/** FNV's prime, and one of another hash. */
const PRIMES = [0x01000193, 0x5bd1e995] as const;
const FIRST = 0x811c9dc5;

/**
 * Whether the texts of an array are known to be distinct, which takes 8 bytes for each of them. False where two have the same
 * hash, so that only the texts themselves can tell.
 */
export function areDistinctTexts({ array, encoded }: Pick<GgufKeyValue, 'array' | 'encoded'>): boolean {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const hashes = new Float64Array(array?.length ?? 0);
  let at = ARRAY_HEAD_BYTES;
  for (let index = 0; index < hashes.length; ++index) {
    const begin = at + LENGTH_BYTES;
    const end = begin + Number(view.getBigUint64(at, true));
    hashes[index] = hashOf(encoded, begin, end);
    at = end;
  }
  hashes.sort();
  return hashes.every((hash, index) => index === 0 || hash !== hashes[index - 1]);
}

/** Of 53 bits, which a double holds. */
function hashOf(bytes: Uint8Array, begin: number, end: number): number {
  let [one, other] = [FIRST, end - begin];
  for (let at = begin; at < end; ++at) {
    const byte = bytes[at] ?? 0;
    one = Math.imul(one ^ byte, PRIMES[0]);
    other = Math.imul((other ^ byte) + (other >>> 15), PRIMES[1]);
  }
  return (one >>> 0) * 2 ** 21 + (other >>> 11);
}
