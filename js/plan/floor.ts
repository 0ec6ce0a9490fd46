import type { BitWidth } from '../types.js';

/** What no layer may be worse than. */
export interface Floor {
  /**
   * The least cosine between weights of so many bits and their originals; -1, which every cosine is at least, where no floor is
   * asked for. Types between two widths (4.5 bits, 6.6 bits) have the floor of the narrower one.
   */
  cosineFor(bits: number): number;
  /** Whether what is below is done again with finer bits. */
  readonly fallback: boolean;
  /** Whether what stays below fails, instead of giving a warning. */
  readonly failFast: boolean;
}

/** The width of 2, 4 and 8 that counts for types of `bits` bits a weight. */
export function widthOf(bits: number): BitWidth {
  if (bits < 4) return 2;
  return bits < 8 ? 4 : 8;
}

/** Whether a cosine is at least the floor's. One that is no finite number, null, reaches none. */
export const reaches = (floor: Floor, bits: number, cosine: number | null): boolean =>
  (cosine ?? -1) >= floor.cosineFor(bits);

/** What has come of a layer. */
interface Outcome {
  readonly bits: BitWidth;
  readonly cosine: number | null;
  /** Whether the caller has fixed its bits. */
  readonly isFixed: boolean;
}

/** How far a layer is below, with what to do, in a phrase about "it". */
export function shortfall(floor: Floor, { bits, cosine, isFixed }: Outcome): string {
  // Rounded down: it must not look as if it were enough.
  const told = cosine === null ? 'no finite number' : String(Math.floor(cosine * 1e6) / 1e6);
  const asked = `its cosine is ${told} with ${bits} bits, and minCosine asks for ${floor.cosineFor(bits)}`;
  if (bits < 8 && isFixed) return `${asked}; give it more bits in layerBits`;
  if (bits < 8 && !floor.fallback) return `${asked}; allow finer bits with fallback, or give more`;
  return `${asked}; smaller groups or the effort best may be enough`;
}
