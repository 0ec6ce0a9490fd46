import { abortError } from '../errors.js';
import { prefixOf } from '../rules/diffusion-families.js';
import type { ErrorSums } from '../wasm/windows.js';
import { callSafely } from '../convert/callbacks.js';
import type { Model, StoredTensor } from '../containers/container.js';
import type { FileTools } from '../convert/convert-file.js';
import { differenceOf, sameBytes } from './difference.js';
import { MAX_ALIGNMENT } from '../containers/gguf/header.js';
import type { ModelSource } from '../io/byte-io.js';
import { metricsOf } from '../convert/metrics.js';
import type { FileOptions } from '../convert/options.js';
import { Pipeline } from '../convert/pipeline.js';
import { restoringPiece } from './read-tensor.js';
import { readRange } from '../convert/stretch-input.js';
import { openModel } from '../containers/registry.js';
import { byName, storageLabel } from '../plan/report.js';
import { withFp8Scales } from '../plan/scaled-fp8.js';
import { stretchesOf, type Stretch } from '../convert/tensor-windows.js';
import { weightSourceOf } from '../convert/weight-source.js';

/** Bytes of a type that is no float are compared in pieces of this size. */
const PIECE_BYTES = 2 ** 20;

/** Two tensors of one name. */
export interface TensorComparison {
  /** In `a`; of a diffusion model, `b` may have it with or without the prefix that checkpoints put before it. */
  readonly name: string;
  readonly shape: readonly number[];
  /** As in TensorReport. */
  readonly a: string;
  readonly b: string;
  /** Whether all values are equal. NaN equals NaN here, and 0 equals -0. */
  readonly equal: boolean;
  /** Errors of `b` against `a`; null for tensors of other types than floats, or when not all values are finite. */
  readonly rmse: number | null;
  readonly relativeRmse: number | null;
  readonly cosine: number | null;
  readonly maxError: number | null;
}

/** Outcome of a comparison; all lists in sorted name order. */
export interface FileComparison {
  readonly a: string;
  readonly b: string;
  /** Tensors that both files have, with the same shape. */
  readonly tensors: readonly TensorComparison[];
  /** Tensors that both files have, but with different shapes. */
  readonly reshaped: readonly { readonly name: string; readonly a: readonly number[]; readonly b: readonly number[] }[];
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
}

/** Compares two models, tensor by tensor, quantized ones by what they are restored to. */
export async function compareFiles(
  tools: FileTools,
  a: ModelSource,
  b: ModelSource,
  { progress }: FileOptions,
): Promise<FileComparison> {
  const { files, signal } = tools;
  const left = await openModel(await files.openSource(a, signal));
  try {
    const right = await openModel(await files.openSource(b, signal));
    try {
      const comparison = await compareModels(left, right, tools, progress);
      for (const one of [...left.sources, ...right.sources]) await one.checkUnchanged();
      return comparison;
    } finally {
      await right.close();
    }
  } finally {
    await left.close();
  }
}

async function compareModels(
  left: Model,
  right: Model,
  tools: FileTools,
  progress: FileOptions['progress'],
): Promise<FileComparison> {
  const { pairs, onlyInA, onlyInB } = pairTensors(await withFp8Scales(left), await withFp8Scales(right));
  const tensors: TensorComparison[] = [];
  const reshaped: FileComparison['reshaped'][number][] = [];
  let done = 0;
  for (const { one, other } of pairs) {
    if (tools.signal.aborted) throw abortError(tools.signal.reason);
    if (String(shapeOf(one)) !== String(shapeOf(other))) {
      reshaped.push({ name: one.name, a: shapeOf(one), b: shapeOf(other) });
    } else {
      tensors.push(await compareTensors(one, other, tools));
    }
    callSafely(progress, one.name, ++done / pairs.length);
  }
  return { a: left.name, b: right.name, tensors, reshaped, onlyInA, onlyInB };
}

interface TensorPairs {
  readonly pairs: readonly { readonly one: StoredTensor; readonly other: StoredTensor }[];
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
}

/** Tensors of one name; those of a diffusion model also where only one of the models has its checkpoint's prefix. */
function pairTensors(left: readonly StoredTensor[], right: readonly StoredTensor[]): TensorPairs {
  const own = new Set(left.map(({ name }) => name));
  const others = new Map(right.map((tensor) => [tensor.name, tensor]));
  const ownPrefix = prefixOf([...own]);
  const otherPrefix = prefixOf([...others.keys()]);
  const counterpart = (name: string): StoredTensor | undefined => {
    const bare = name.startsWith(ownPrefix) ? name.slice(ownPrefix.length) : name;
    const names = [bare, otherPrefix + bare].filter((one) => !own.has(one));
    return [name, ...names].map((one) => others.get(one)).find((other) => other !== undefined);
  };
  const paired = new Set<string>();
  const pairs = [...left].sort(byName).flatMap((one) => {
    const other = counterpart(one.name);
    if (other === undefined) return [];
    paired.add(other.name);
    return [{ one, other }];
  });
  const found = new Set(pairs.map(({ one }) => one.name));
  const namesWithout = (tensors: readonly StoredTensor[], there: ReadonlySet<string>): string[] =>
    tensors.flatMap(({ name }) => (there.has(name) ? [] : [name])).sort();
  return { pairs, onlyInA: namesWithout(left, found), onlyInB: namesWithout(right, paired) };
}

const isFloat = (tensor: StoredTensor): boolean => tensor.storage.kind === 'affine' || weightSourceOf(tensor) !== null;

/** Whether bytes of the one mean what those of the other mean. */
const sameKind = (one: StoredTensor, other: StoredTensor): boolean => storageLabel(one) === storageLabel(other);

const shapeOf = ({ originalShape, shape }: StoredTensor): readonly number[] => originalShape ?? shape;

async function compareTensors(one: StoredTensor, other: StoredTensor, tools: FileTools): Promise<TensorComparison> {
  const floats = isFloat(one) && isFloat(other);
  const sums: ErrorSums[] = [];
  let equal = floats || (sameKind(one, other) && (await sameContents(one, other, tools.signal)));
  let finite = floats;
  for (const stretch of one.elements === 0 || !floats ? [] : stretchesOf(one.elements)) {
    if (tools.signal.aborted) throw abortError(tools.signal.reason);
    const [a, b] = await restoreBoth(one, other, stretch, tools);
    const difference = differenceOf(a, b);
    sums.push(difference.sums);
    equal &&= difference.equal;
    finite &&= difference.finite;
  }
  const metrics = finite ? metricsOf(sums, one.elements) : null;
  return {
    name: one.name,
    shape: shapeOf(one),
    a: storageLabel(one),
    b: storageLabel(other),
    equal,
    rmse: metrics?.rmse ?? null,
    relativeRmse: metrics?.relativeRmse ?? null,
    cosine: metrics?.cosine ?? null,
    maxError: metrics?.maxError ?? null,
  };
}

/** The stretch's values in both tensors. */
async function restoreBoth(
  one: StoredTensor,
  other: StoredTensor,
  stretch: Stretch,
  tools: FileTools,
): Promise<readonly [Float32Array, Float32Array]> {
  const values: [Float32Array, Float32Array] = [new Float32Array(stretch.weights), new Float32Array(stretch.weights)];
  const pipeline = new Pipeline(tools);
  try {
    await pipeline.start(
      restoringPiece(one, stretch, (restored) => {
        values[0].set(restored);
      }),
    );
    await pipeline.start(
      restoringPiece(other, stretch, (restored) => {
        values[1].set(restored);
      }),
    );
    await pipeline.drain();
    return values;
  } catch (error) {
    tools.fail(error);
    await pipeline.settle();
    throw pipeline.cause(error);
  }
}

/** Whether all bytes of two tensors of one kind are the same: of types that are no floats, or that cannot be decoded. */
async function sameContents(
  { storage: left }: StoredTensor,
  { storage: right }: StoredTensor,
  signal: AbortSignal,
): Promise<boolean> {
  if (left.kind === 'affine' || right.kind === 'affine') return false;
  const bytes = Math.min(left.data.bytes, right.data.bytes);
  // Of a type that nobody knows, the bytes of the last tensor may or may not have padding behind them.
  const padding = left.kind === 'opaque' && left.ggmlId !== undefined ? MAX_ALIGNMENT : 1;
  if (Math.max(left.data.bytes, right.data.bytes) - bytes >= padding) return false;
  for (let begin = 0; begin < bytes; begin += PIECE_BYTES) {
    if (signal.aborted) throw abortError(signal.reason);
    const pieces = [left, right].map(({ data }) => {
      const range = { source: data.source, position: data.begin + begin, bytes: Math.min(PIECE_BYTES, bytes - begin) };
      return readRange(range);
    });
    const [one = new Uint8Array(), other = new Uint8Array()] = await Promise.all(pieces);
    if (!sameBytes(one, other)) return false;
  }
  return true;
}
