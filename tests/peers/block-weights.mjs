/**
 * Weights that have broken quantizers, the same bits on every platform. tests/cpp/codecs/block_weights.h makes the same
 * in C++; the golden hashes cover the weights, so that the two cannot drift apart.
 */

const bits = new Uint32Array(1);
const floats = new Float32Array(bits.buffer);

/** xorshift32. */
export class Random {
  constructor(seed) {
    this.state = Math.imul(seed, 0x9e3779b1) >>> 0;
  }
  bits() {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state = (this.state ^ (this.state << 5)) >>> 0;
    return this.state;
  }
  below(end) {
    return this.bits() % end;
  }
  /** Bell-shaped, whole, in ±131070. */
  bell() {
    return this.below(65536) + this.below(65536) + this.below(65536) + this.below(65536) - 131070;
  }
  sign() {
    return this.below(2) === 0 ? 1 : -1;
  }
}

function fromBits(value) {
  bits[0] = value >>> 0;
  return floats[0];
}

function toBits(value) {
  floats[0] = value;
  return bits[0];
}

/** value · 2^exponent, exact in double, so that it is rounded once when it becomes a float. */
function scaled(value, exponent) {
  return value * 2 ** exponent;
}

/** What `share` draws before each 32 weights becomes `draw`'s second argument. */
function shared(share, draw) {
  let value;
  return (random, i) => {
    if (i % 32 === 0) value = share(random);
    return draw(random, value);
  };
}

/** Each 32 weights have an exponent of their own. */
function exponents(count, first) {
  return shared(
    (random) => random.below(count) + first,
    (random, exponent) => scaled(random.bell(), exponent),
  );
}

/** (random, i) → weight i. */
const MAKERS = {
  normal: (random) => scaled(random.bell(), -23),
  'heavy tails': (random) => scaled(random.bell(), random.below(8) === 0 ? random.below(8) - 23 : -23),
  'one outlier': (random, i) => scaled(random.bell(), i % 32 === 13 ? -13 : -23),
  zeros: () => 0,
  'negative zeros': () => -0,
  'zeros of both signs': (random) => 0 * random.sign(),
  constants: shared(
    (random) => scaled(random.bell(), -20),
    (random, value) => value,
  ),
  sparse: (random) => (random.below(8) === 0 ? scaled(random.bell(), -23) : 0 * random.sign()),
  'no negatives': (random) => Math.max(0, scaled(random.bell(), -23)),
  'positive only': (random) => scaled(random.below(1 << 18) + 1, -20),
  'negative only': (random) => -scaled(random.below(1 << 18) + 1, -20),
  'tied extremes': (random) => 0.375 * random.sign(),
  'small integers': (random) => scaled(random.below(17) - 8, -2),
  'halves at 4 bits': (random, i) => (i % 32 === 9 ? 8 : scaled(random.below(33) - 16, -1)),
  'halves at 5 bits': (random, i) => (i % 32 === 9 ? -16 : scaled(random.below(65) - 32, -1)),
  'halves at 8 bits': (random, i) => (i % 32 === 9 ? 127 * random.sign() : scaled(random.below(509) - 254, -1)),
  'halves of 15': (random, i) => (i % 32 === 0 ? 15 : i % 32 === 31 ? 0 : scaled(random.below(31), -1)),
  'halves of 31': (random, i) => (i % 32 === 0 ? 31 : i % 32 === 31 ? 0 : scaled(random.below(63), -1)),
  subnormals: shared(
    (random) => 2 ** (random.below(23) + 1) - 1,
    (random, mask) => fromBits(random.bits() & (0x80000000 | mask)),
  ),
  smallest: exponents(30, -149),
  'underflow of f16': exponents(12, -48),
  'twelve decades': exponents(40, -41),
  'any exponent': (random) => fromBits((random.bits() & 0x807fffff) | (random.below(142) << 23)),
  'rounded to bfloat16': (random) => fromBits(toBits(scaled(random.bell(), -23)) & 0xffff0000),
  'rounded to 11 bits': shared(
    (random) => random.below(8) - 20,
    (random, exponent) => scaled(random.below(4095) - 2047, exponent),
  ),
};

/** @returns {{name: string, weights: Float32Array}[]} */
export function blockWeights() {
  return Object.entries(MAKERS).map(([name, make], index) => {
    const random = new Random(index + 1);
    const weights = new Float32Array(name === 'normal' ? 65536 : 8192);
    for (let i = 0; i < weights.length; ++i) weights[i] = make(random, i);
    return { name, weights };
  });
}

export function randomBytes(count) {
  const random = new Random(1000);
  return Uint8Array.from({ length: count }, () => random.bits() >>> 24);
}

/** FNV-1a, 32 bits. */
export function hashBytes(bytes) {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The bytes of the floats; every NaN counts as the same. */
export function hashFloats(values) {
  const copy = values.map((value) => (Number.isNaN(value) ? NaN : value));
  const words = new Uint32Array(copy.buffer);
  copy.forEach((value, i) => {
    if (Number.isNaN(value)) words[i] = 0x7fc00000;
  });
  return hashBytes(new Uint8Array(copy.buffer));
}
