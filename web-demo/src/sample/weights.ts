/** Numbers that are spread as those of trained models are: heavy tails, and channels of very different width. */

import { elementsOf, type SampleTensor, type SampleType } from './structure';

/** Channels that are far wider than the others, as those that carry attention sinks are. */
const WIDE_SHARE = 0.01;
const WIDE_FACTOR = 12;
const TABLE_SIZE = 2 ** 16;

/**
 * Quantiles of Student's t distribution with 3 degrees of freedom at (i + 1/2) / TABLE_SIZE, scaled to a standard
 * deviation of 1, by Newton's method on its distribution function.
 */
const QUANTILES = ((): Float32Array => {
  const table = new Float32Array(TABLE_SIZE);
  let t = 0;
  for (let index = TABLE_SIZE / 2; index < TABLE_SIZE; ++index) {
    const probability = (index + 0.5) / TABLE_SIZE;
    for (let step = 0; step < 8; ++step) {
      const x = t / Math.sqrt(3);
      const excess = 0.5 + (x / (1 + x * x) + Math.atan(x)) / Math.PI - probability;
      const density = 2 / (Math.PI * Math.sqrt(3) * (1 + x * x) ** 2);
      t -= excess / density;
    }
    table[index] = t / Math.sqrt(3);
    table[TABLE_SIZE - 1 - index] = -t / Math.sqrt(3);
  }
  return table;
})();

/** The tensor's bytes; they depend on its name, shape and type, and on the seed. */
export function sampleBytes(tensor: SampleTensor, seed: number): Uint8Array<ArrayBuffer> {
  const values = new Float32Array(elementsOf(tensor));
  const random = new Random(seed ^ hashOf(tensor.name));
  switch (tensor.kind) {
    case 'matrix':
      fillChannels(values, tensor.shape[0] ?? 1, random);
      break;
    case 'norm':
      fill(values, random, 1, 0.1);
      break;
    case 'bias':
    case 'embedding':
      fill(values, random, 0, 0.02);
  }
  return encoded(values, tensor.dtype);
}

function fillChannels(values: Float32Array, channels: number, random: Random): void {
  const inputs = values.length / channels;
  for (let channel = 0; channel < channels; ++channel) {
    const spread = (0.5 + random.unit()) / Math.sqrt(inputs);
    const wide = random.unit() < WIDE_SHARE;
    fill(values.subarray(channel * inputs, (channel + 1) * inputs), random, 0, wide ? spread * WIDE_FACTOR : spread);
  }
}

function fill(values: Float32Array, random: Random, center: number, spread: number): void {
  for (let index = 0; index < values.length; ++index) {
    values[index] = center + spread * (QUANTILES[random.bits() >>> 16] ?? 0);
  }
}

function encoded(values: Float32Array<ArrayBuffer>, dtype: SampleType): Uint8Array<ArrayBuffer> {
  if (dtype === 'F32') return new Uint8Array(values.buffer);
  const round = dtype === 'F16' ? halfBits : bfloat16Bits;
  return new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), round).buffer);
}

/** Rounds half to even. */
const bfloat16Bits = (bits: number): number => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;

/** Rounds half to even; what is below the smallest normal half becomes 0. The sample has nothing too large. */
function halfBits(bits: number): number {
  const magnitude = bits & 0x7fffffff;
  const sign = (bits >>> 16) & 0x8000;
  // 0x38800000 is 2^-14 as f32; the exponents' biases differ by 127 - 15 = 112.
  return magnitude < 0x38800000 ? sign : sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** Mulberry32: a counter, mixed. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 32 random bits, unsigned. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    return this.bits() / 2 ** 32;
  }
}

/** FNV-1a over UTF-16 code units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; ++index) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}
