/** Random numbers that are the same in every browser, and in Node. */

/** Where a global takes a while to be found, as in Jest's contexts, it is found once. */
const { imul } = Math;

/** Mulberry32: a counter, mixed. */
export class Random {
  /** @type {number} */
  #state;

  /** @param {number} seed 32 bits of it count */
  constructor(seed) {
    this.#state = seed;
  }

  /** 32 random bits, unsigned. */
  bits() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** In [0, 1). */
  unit() {
    return this.bits() / 2 ** 32;
  }

  /** Around 0 with a standard deviation of 1, in [-3, 3): of twelve numbers in [0, 1) the variances add up to 1, of three to a quarter. */
  bell() {
    return 2 * (this.unit() + this.unit() + this.unit() - 1.5);
  }
}

/**
 * FNV-1a over UTF-16 code units.
 *
 * @param {string} text
 */
export function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; ++index) hash = imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}
