import { QuantizeError } from '../errors.js';
import { prefixOf } from '../rules/diffusion-families.js';
import type { ErrorSums, HeapWindow } from '../wasm/windows.js';
import { callSafely } from './callbacks.js';
import type { Model, StoredTensor } from './container.js';
import type { FileTools } from './convert-file.js';
import { differenceOf, sameBytes } from './difference.js';
import type { ModelSource } from './io.js';
import { metricsOf } from './metrics.js';
import type { FileOptions } from './options.js';
import { restoreStretch } from './read-tensor.js';
import { openModel } from './registry.js';
import { withFp8Scales } from './scaled-fp8.js';
import { byName, storageLabel } from './report.js';
import { stretchesOf, type Stretch } from './tensor-windows.js';
import { weightSourceOf } from './weight-source.js';

/** Two tensors of one name. */
export interface TensorComparison {
  /** In a GGUF, if one of the two is one: a checkpoint's names may have a prefix that its GGUF has not. */
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
  { pool, files }: FileTools,
  a: ModelSource,
  b: ModelSource,
  options: FileOptions,
): Promise<FileComparison> {
  const signal = options.signal ?? undefined;
  const left = await openModel(await files.openSource(a, signal));
  try {
    const right = await openModel(await files.openSource(b, signal));
    try {
      return await compareModels(left, right, { pool, files }, options);
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
  { pool }: FileTools,
  { signal, progress }: FileOptions,
): Promise<FileComparison> {
  const [leftTensors, rightTensors] = [await comparable(left, right), await comparable(right, left)];
  const others = new Map(rightTensors.map((tensor) => [tensor.name, tensor]));
  const names = new Set(leftTensors.map(({ name }) => name));
  const pairs = [...leftTensors].sort(byName).flatMap((one) => {
    const other = others.get(one.name);
    return other === undefined ? [] : [{ one, other }];
  });
  const tensors: TensorComparison[] = [];
  const reshaped: FileComparison['reshaped'][number][] = [];
  let done = 0;
  for (const { one, other } of pairs) {
    if (signal?.aborted === true) throw new QuantizeError('aborted', { cause: signal.reason });
    if (String(shapeOf(one)) !== String(shapeOf(other))) {
      reshaped.push({ name: one.name, a: shapeOf(one), b: shapeOf(other) });
    } else {
      const window = await pool.acquire(signal ?? undefined);
      try {
        tensors.push(await compareTensors(one, other, window, signal ?? undefined));
      } finally {
        window.release();
      }
    }
    callSafely(progress, one.name, ++done / pairs.length);
  }
  const missing = (tensor: StoredTensor, there: { has(name: string): boolean }): string[] =>
    there.has(tensor.name) ? [] : [tensor.name];
  return {
    a: left.name,
    b: right.name,
    tensors,
    reshaped,
    onlyInA: leftTensors.flatMap((tensor) => missing(tensor, others)).sort(),
    onlyInB: rightTensors.flatMap((tensor) => missing(tensor, names)).sort(),
  };
}

/**
 * The tensors by the names and with the values that a GGUF made of the model has: without the prefix of a checkpoint if the
 * other model has lost it, and with the factors of scaled fp8.
 */
async function comparable(model: Model, other: Model): Promise<readonly StoredTensor[]> {
  const tensors = await withFp8Scales(model);
  if (model.container !== 'safetensors' || other.container !== 'gguf') return tensors;
  const prefix = prefixOf(tensors.map(({ name }) => name));
  if (prefix === '' || other.tensors.some(({ name }) => name.startsWith(prefix))) return tensors;
  return tensors.map((tensor) =>
    tensor.name.startsWith(prefix) ? { ...tensor, name: tensor.name.slice(prefix.length) } : tensor,
  );
}

const isFloat = (tensor: StoredTensor): boolean => tensor.storage.kind === 'affine' || weightSourceOf(tensor) !== null;

/** Whether bytes of the one mean what those of the other mean. */
const sameKind = (one: StoredTensor, other: StoredTensor): boolean => storageLabel(one) === storageLabel(other);

const shapeOf = ({ originalShape, shape }: StoredTensor): readonly number[] => originalShape ?? shape;

async function compareTensors(
  one: StoredTensor,
  other: StoredTensor,
  window: HeapWindow,
  signal: AbortSignal | undefined,
): Promise<TensorComparison> {
  const floats = isFloat(one) && isFloat(other);
  const sums: ErrorSums[] = [];
  let equal = floats || sameKind(one, other);
  let finite = floats;
  for (const stretch of one.elements === 0 ? [] : stretchesOf(one.elements)) {
    if (signal?.aborted === true) throw new QuantizeError('aborted', { cause: signal.reason });
    if (!equal && !floats) break;
    if (!floats) {
      equal = sameBytes(await rawBytes(one, stretch), await rawBytes(other, stretch));
      continue;
    }
    const difference = differenceOf(await floatsOf(window, one, stretch), await floatsOf(window, other, stretch));
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

/** The stretch's values, copied out of the window. */
async function floatsOf(window: HeapWindow, tensor: StoredTensor, stretch: Stretch): Promise<Float32Array> {
  const bytes = await restoreStretch(window, tensor, stretch);
  return new Float32Array(bytes.slice().buffer);
}

/** The stretch's bytes, where they can be compared one by one. */
async function rawBytes({ storage, elements }: StoredTensor, { first, weights }: Stretch): Promise<Uint8Array> {
  if (storage.kind === 'affine') return new Uint8Array();
  const { source, begin, bytes } = storage.data;
  const perElement = bytes / elements;
  const raw = new Uint8Array(weights * perElement);
  await source.read(raw, begin + first * perElement);
  return raw;
}
