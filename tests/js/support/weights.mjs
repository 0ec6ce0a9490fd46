/** Test data, the same in every run. */

/** Uniform numbers in [0, 1): a 32-bit xorshift. */
export function randomSource(seed) {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Weights as trained ones are: mostly small, some far out. */
export function randomWeights(count, seed = 1) {
  const random = randomSource(seed);
  const weights = new Float32Array(count);
  for (let i = 0; i < count; ++i) {
    const bell = random() + random() + random() - 1.5;
    weights[i] = bell * (random() < 0.01 ? 8 : 0.1);
  }
  return weights;
}

/** `count` layers of `size` weights, named so that sorted order differs from the order of insertion. */
export function layersOf(count, size = 256) {
  const names = Array.from({ length: count }, (_, i) => `layer.${i}.weight`).reverse();
  return new Map(names.map((name, i) => [name, randomWeights(size, i + 1)]));
}

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** Whether two typed arrays hold the same bytes (unlike toEqual: at once, and with -0 and NaN told apart). */
export const sameBytes = (a, b) => a.length === b.length && bytesOf(a).equals(bytesOf(b));

/** What differs first between two batch results, or null. */
export function firstDifference(a, b) {
  const names = [...a.keys()];
  if (names.join('\n') !== [...b.keys()].join('\n')) return `layers ${names} against ${[...b.keys()]}`;
  for (const name of names) {
    const [left, right] = [a.get(name), b.get(name)];
    for (const part of ['quantizedData', 'scales', 'zeroPoints']) {
      if (!sameBytes(left[part], right[part])) return `${part} of ${name}`;
    }
    for (const part of ['shape', 'bitWidth', 'groupSize', 'symmetric']) {
      if (String(left[part]) !== String(right[part])) return `${part} of ${name}`;
    }
  }
  return null;
}
