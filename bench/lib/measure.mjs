/**
 * One thing to time.
 *
 * @typedef {object} Case
 * @property {string} name
 * @property {number} bytes Bytes of float32 input that one run takes in; 0 where speed in GB/s means nothing.
 * @property {() => unknown} run May return a promise; may return milliseconds that it has measured itself.
 * @property {string} [unit] Unit of the median: 'ms', or what `run` returns instead.
 */

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function timeOnce({ run }) {
  const start = performance.now();
  const own = await run();
  return typeof own === 'number' ? own : performance.now() - start;
}

/** Clocks of pages that are not isolated go in steps of up to a millisecond. */
const LEAST_MILLISECONDS = 60;

/** Milliseconds of one run of `work`, of as many as a coarse clock needs. */
export async function timeRepeated(work) {
  const start = performance.now();
  let runs = 0;
  do {
    await work();
    ++runs;
  } while (performance.now() - start < LEAST_MILLISECONDS);
  return (performance.now() - start) / runs;
}

/**
 * Runs all cases in turns, `rounds` times, after one turn that does not count: whatever slows the machine down for a
 * while slows all of them. Every other round goes backwards, so that no case always follows the same one. Gives medians in milliseconds by name.
 *
 * @param {readonly Case[]} cases
 */
export async function measure(cases, rounds, onRound = () => {}) {
  const times = new Map(cases.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; ++round) {
    for (const item of round % 2 === 0 ? cases : cases.toReversed()) {
      const time = await timeOnce(item);
      if (round >= 0) times.get(item.name).push(time);
    }
    onRound(round + 1);
  }
  return cases.map(({ name, bytes, unit = 'ms' }) => {
    const value = median(times.get(name));
    return { name, unit, median: value, gigabytesPerSecond: bytes > 0 ? bytes / 1e6 / value : null };
  });
}

/** Adds `ratio`, the speed relative to the case named `reference`. */
export function withRatios(results, reference) {
  const base = results.find(({ name }) => name === reference);
  return results.map((result) => ({
    ...result,
    ratio: base && result.gigabytesPerSecond !== null ? result.gigabytesPerSecond / base.gigabytesPerSecond : null,
  }));
}

/** Reproducible weights like those of trained layers: a normal distribution with some outliers. */
export function sampleWeights(count, seed = 1) {
  const weights = new Float32Array(count);
  let state = seed >>> 0 || 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
  for (let i = 0; i < count; ++i) {
    const normal = next() + next() + next() + next() - 2;
    weights[i] = normal * (next() > 0.999 ? 0.4 : 0.03);
  }
  return weights;
}
