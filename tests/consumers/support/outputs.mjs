import { floatsOf } from '../../js/support/models/safetensors.mjs';
import { goldenRuns } from '../../js/support/onnx/golden.mjs';

/** How far outputs may be from those of golden files, relative to the largest: see tests/golden/onnx/README.md. */
const kLimits = { fp16: 5e-3, q4f16: 5e-3, int8: 2e-2, uint8: 2e-2 };
const kUsualLimit = 1e-4;

/** The limit for outputs of `tjs-159b22e8/model_fp16.onnx` or the like. */
export const limitOf = (golden) => kLimits[/model_(\w+)\.onnx$/.exec(golden)?.[1]] ?? kUsualLimit;

/** The inputs of a golden model, for each of its runs: without and with past keys and values, where it has them. */
export function goldenInputs(model) {
  const inputs = [...goldenRuns(model)].filter(([name]) => name.startsWith('input.'));
  const feeds = Object.fromEntries(inputs.map(([name, tensor]) => [name.slice('input.'.length), inputOf(tensor)]));
  if (!model.startsWith('decoder')) return [feeds];
  return [0, 1].map((flag) => ({ ...feeds, use_cache_branch: { type: 'bool', dims: [1], values: [flag] } }));
}

function inputOf(tensor) {
  const { dtype, shape, bytes } = tensor;
  if (dtype === 'F32') return { type: 'float32', dims: shape, values: Array.from(floatsOf(tensor)) };
  const values = Array.from({ length: bytes.length / 8 }, (_, index) => Number(bytes.readBigInt64LE(8 * index)));
  return { type: 'int64', dims: shape, values };
}

/**
 * The largest difference of a model's outputs to those of a golden file, relative to the largest of its output.
 *
 * @param {string} model
 * @param {string} golden `model.onnx`, or a name as goldenOutputs has it
 * @param {Record<string, {dims: number[], values: number[]}>[]} outputs for each run
 */
export function distance(model, golden, outputs) {
  const prefix = `output.${golden.replace('/', '__').replace(/\.onnx$/, '')}.`;
  const suffix = (run) => (outputs.length === 1 ? '' : `.cache${run}`);
  const named = outputs.flatMap((one, run) =>
    Object.entries(one).map(([name, it]) => [prefix + name + suffix(run), it]),
  );
  const expected = [...goldenRuns(model)].filter(([name]) => name.startsWith(prefix));
  if (expected.length === 0 || expected.length !== named.length) throw new Error(`${prefix}: ${named.length} outputs`);
  const actual = Object.fromEntries(named);
  return Math.max(...expected.map(([name, tensor]) => farthest(tensor, actual[name])));
}

function farthest(tensor, { dims, values }) {
  if (String(dims) !== String(tensor.shape)) throw new Error(`${tensor.name}: shape ${dims}, not ${tensor.shape}`);
  return relativeDistance(Array.from(floatsOf(tensor)), values);
}

/** The largest difference of two lists of numbers, relative to the largest of `expected`; infinite where one is NaN. */
export function relativeDistance(expected, values) {
  const largest = expected.reduce((most, it) => Math.max(most, Math.abs(it)), 0);
  const difference = expected.reduce((most, it, index) => Math.max(most, Math.abs(it - values[index])), 0);
  const isRight = expected.length === values.length && values.every(Number.isFinite);
  return isRight ? difference / (largest || 1) : Infinity;
}
