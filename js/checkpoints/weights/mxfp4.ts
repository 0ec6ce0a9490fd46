import type { StoredPlane, UndecodedTensor } from '../../layouts/tensor.js';
import { MadeSource, bytesAt } from './made-source.js';

/** Weights of a block, which have an exponent in common. */
export const MXFP4_WEIGHTS = 32;
/** Bytes of the codes of a block. */
export const MXFP4_CODES = MXFP4_WEIGHTS / 2;
/** Bytes of a block in a GGUF: its exponent, then its codes. */
const BLOCK_BYTES = 1 + MXFP4_CODES;

/** What MXFP4 weights are made of. */
export interface Mxfp4Parts {
  /** Two codes in each byte: the first weight, and all others at even places, in the low half. */
  readonly codes: StoredPlane;
  /** An exponent (E8M0) for each block. */
  readonly exponents: StoredPlane;
  /** The tensors that they lie in. */
  readonly names: readonly string[];
  /** The bytes that they take in their files. */
  readonly fileBytes: number;
}

/**
 * The same weights in ggml's blocks of MXFP4, which are made while they are read: only bits are moved. In ggml's blocks a byte
 * has the code of a weight of the first half in its low half, and that of the same place in the second half in its high one.
 */
export function mxfp4Tensor(name: string, shape: readonly number[], parts: Mxfp4Parts): UndecodedTensor {
  const elements = shape.reduce((product, size) => product * size, 1);
  const { codes, exponents, names } = parts;
  const blocks = elements / MXFP4_WEIGHTS;
  const source = new MadeSource([...codes, ...exponents], blocks * BLOCK_BYTES, async (position, into) => {
    const first = Math.floor(position / BLOCK_BYTES);
    const count = Math.ceil((position + into.length) / BLOCK_BYTES) - first;
    const made = repacked(
      await bytesAt(codes, first * MXFP4_CODES, count * MXFP4_CODES),
      await bytesAt(exponents, first, count),
    );
    const skipped = position - first * BLOCK_BYTES;
    into.set(made.subarray(skipped, skipped + into.length));
  });
  return {
    ...{ name, shape, elements, dtype: 'F32', codec: null, type: { name: 'MXFP4' }, container: 'gguf' },
    ...{ partNames: names, planes: [[{ source, begin: 0, bytes: source.size }]], fileBytes: parts.fileBytes },
  };
}

function repacked(codes: Uint8Array, exponents: Uint8Array): Uint8Array {
  const made = new Uint8Array(exponents.length * BLOCK_BYTES);
  for (let block = 0; block < exponents.length; ++block) {
    const [from, to] = [block * MXFP4_CODES, block * BLOCK_BYTES];
    made[to] = exponents[block] ?? 0;
    for (let byte = 0; byte < MXFP4_CODES / 2; ++byte) {
      const low = codes[from + byte] ?? 0;
      const high = codes[from + MXFP4_CODES / 2 + byte] ?? 0;
      made[to + 1 + 2 * byte] = (low & 0x0f) | ((high & 0x0f) << 4);
      made[to + 2 + 2 * byte] = (low >>> 4) | (high & 0xf0);
    }
  }
  return made;
}
