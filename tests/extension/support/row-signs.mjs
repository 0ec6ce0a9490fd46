/** The codec `row_signs` by its definition (source/src/codecs/row_signs.cc), sharing nothing with it. */

const kBlock = 32;
const { abs, fround, min, trunc } = Math;

/**
 * Planes of `weights`, which are rows of `rowWeights`.
 *
 * @param {Float32Array} weights
 * @param {{importance?: Float32Array, effort?: string}} [search]
 */
export function encodeRowSigns(weights, rowWeights, { importance, effort = 'reference' } = {}) {
  const blocks = weights.length / kBlock;
  const planes = {
    signs: new Uint8Array(weights.length / 8),
    scales: new Float32Array(blocks),
    steps: new Uint8Array(blocks),
  };
  weights.forEach((weight, i) => {
    if (weight < 0) planes.signs[i >> 3] |= 1 << (i & 7);
  });
  const rowBlocks = rowWeights / kBlock;
  for (let row = 0; row < weights.length / rowWeights; ++row) {
    const sums = blockSums(weights.subarray(row * rowWeights, (row + 1) * rowWeights), importance);
    const dither = ((row % 4) + 0.5) / 4;
    let scale = ratio(sums, () => 1);
    let steps = stepsOf(sums, scale, dither);
    if (effort !== 'reference') {
      scale = ratio(sums, (block) => steps[block] / 64);
      steps = stepsOf(sums, scale, dither);
    }
    planes.scales.fill(scale, row * rowBlocks, (row + 1) * rowBlocks);
    planes.steps.set(steps, row * rowBlocks);
  }
  return planes;
}

function blockSums(row, importance) {
  return Array.from({ length: row.length / kBlock }, (_, block) => {
    let [magnitude, count] = [0, 0];
    for (let i = block * kBlock; i < (block + 1) * kBlock; ++i) {
      const counts = importance?.[i] ?? 1;
      magnitude = fround(magnitude + fround(counts * abs(row[i])));
      count = fround(count + counts);
    }
    return { magnitude, count, mean: count === 0 ? 0 : fround(magnitude / count) };
  });
}

/** The scale of blocks whose magnitudes are multiples of it, by least squares; of equal ones, the mean. */
function ratio(sums, multiple) {
  let [dividend, divisor] = [0, 0];
  sums.forEach(({ magnitude, count }, block) => {
    dividend += multiple(block) * magnitude;
    divisor += multiple(block) * multiple(block) * count;
  });
  return divisor === 0 ? 0 : fround(dividend / divisor);
}

const stepsOf = (sums, scale, dither) =>
  sums.map(({ mean }) => {
    const steps = fround(fround(fround(mean / scale) * 64) + dither);
    return Number.isNaN(steps) ? 0 : trunc(min(steps, 255));
  });

/** What planes are restored to. */
export function decodeRowSigns({ signs, scales, steps }) {
  return Float32Array.from({ length: signs.length * 8 }, (_, i) => {
    const block = i >> 5;
    const magnitude = fround(scales[block] * (steps[block] / 64));
    return (signs[i >> 3] >> (i & 7)) & 1 ? -magnitude : magnitude;
  });
}

/** What weights are restored to that have been encoded. */
export const throughRowSigns = (weights, rowWeights, search) =>
  decodeRowSigns(encodeRowSigns(weights, rowWeights, search));
