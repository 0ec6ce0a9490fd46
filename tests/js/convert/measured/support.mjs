/** What tests of measured plans measure by themselves. */

/** In doubles, over all of both. */
export function cosineOf(a, b) {
  let [dot, left, right] = [0, 0, 0];
  for (let i = 0; i < a.length; ++i) {
    dot += a[i] * b[i];
    left += a[i] * a[i];
    right += b[i] * b[i];
  }
  return dot / Math.sqrt(left * right);
}

export function relativeErrorOf(original, restored) {
  let [error, energy] = [0, 0];
  for (let i = 0; i < original.length; ++i) {
    error += (original[i] - restored[i]) ** 2;
    energy += original[i] ** 2;
  }
  return error / energy;
}

/** By tensor that the report says was converted: its weights, and what they were restored to. */
export async function restoredPairs(quantizer, input, { output, tensors }) {
  const pairs = new Map();
  for (const { name, outputName, kept } of tensors) {
    if (kept) continue;
    pairs.set(name, [await quantizer.readTensor(input, name), await quantizer.readTensor(output, outputName)]);
  }
  return pairs;
}

export const mapValues = (map, change) => new Map([...map].map(([key, value]) => [key, change(value, key)]));
