/** Numbers that are spread as those of trained models are: heavy tails, and channels of very different width. */

/** @import { Random } from './random.mjs' */

/**
 * How a tensor gets its numbers: `values` come as zeros, in rows of what is summed up for one output channel.
 *
 * @typedef {(values: Float32Array, random: Random, channels: number) => void} Fill
 */

/** Channels that are far wider than the others, as those that carry attention sinks are. */
const WIDE_SHARE = 0.01;
const WIDE_FACTOR = 12;
const TABLE_SIZE = 2 ** 16;

/**
 * Quantiles of Student's t distribution with 3 degrees of freedom at (i + 1/2) / TABLE_SIZE, scaled to a standard
 * deviation of 1, by Newton's method on its distribution function.
 */
const QUANTILES = (() => {
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

/**
 * A matrix whose products with what has a variance of 1 have about one of `scale` squared.
 *
 * @type {(scale?: number) => Fill}
 */
export const matrix =
  (scale = 1) =>
  (values, random, channels) => {
    const inputs = values.length / channels;
    for (let channel = 0; channel < channels; ++channel) {
      const spread = (scale * (0.5 + random.unit())) / Math.sqrt(inputs);
      const wide = random.unit() < WIDE_SHARE ? WIDE_FACTOR : 1;
      spreadOut(values.subarray(channel * inputs, (channel + 1) * inputs), random, 0, spread * wide);
    }
  };

/** @type {Fill} */
export const aroundOne = (values, random) => {
  spreadOut(values, random, 1, 0.1);
};

/** @type {Fill} */
export const nearZero = (values, random) => {
  spreadOut(values, random, 0, 0.02);
};

/** @type {(values: Float32Array, random: Random, center: number, spread: number) => void} */
function spreadOut(values, random, center, spread) {
  for (let index = 0; index < values.length; ++index) {
    values[index] = center + spread * (QUANTILES[random.bits() >>> 16] ?? 0);
  }
}
