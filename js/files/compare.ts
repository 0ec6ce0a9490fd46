import { QuantizeError } from '../errors.js';
import type { ErrorSums, HeapWindow } from '../wasm/windows.js';
import { callSafely } from './callbacks.js';
import type { Model, StoredTensor } from './container.js';
import type { FileTools } from './convert-file.js';
import { decodeStretch } from './dequantize-tensor.js';
import { differenceOf, sameBytes } from './difference.js';
import { dtypeBytes, isFloatType } from './dtypes.js';
import { metricsOf } from './metrics.js';
import type { FileOptions } from './options.js';
import { openModel } from './registry.js';
import { byName, storageLabel } from './report.js';
import { stretchesOf, type Stretch } from './tensor-windows.js';

/** Two tensors of one name. */
export interface TensorComparison {
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
  a: string,
  b: string,
  options: FileOptions,
): Promise<FileComparison> {
  const left = await openModel(await files.openSource(a));
  try {
    const right = await openModel(await files.openSource(b));
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
  const others = new Map(right.tensors.map((tensor) => [tensor.name, tensor]));
  const names = new Set(left.tensors.map(({ name }) => name));
  const pairs = [...left.tensors].sort(byName).flatMap((one) => {
    const other = others.get(one.name);
    return other === undefined ? [] : [{ one, other }];
  });
  const tensors: TensorComparison[] = [];
  const reshaped: FileComparison['reshaped'][number][] = [];
  let done = 0;
  for (const { one, other } of pairs) {
    if (signal?.aborted === true) throw new QuantizeError('aborted', { cause: signal.reason });
    if (String(one.shape) !== String(other.shape)) {
      reshaped.push({ name: one.name, a: one.shape, b: other.shape });
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
    onlyInA: left.tensors.flatMap((tensor) => missing(tensor, others)).sort(),
    onlyInB: right.tensors.flatMap((tensor) => missing(tensor, names)).sort(),
  };
}

const isFloat = ({ storage, dtype }: StoredTensor): boolean => storage.kind !== 'plain' || isFloatType(dtype);

async function compareTensors(
  one: StoredTensor,
  other: StoredTensor,
  window: HeapWindow,
  signal: AbortSignal | undefined,
): Promise<TensorComparison> {
  const floats = isFloat(one) && isFloat(other);
  const sums: ErrorSums[] = [];
  let equal = floats || one.dtype === other.dtype;
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
    shape: one.shape,
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
  const bytes = await restore(window, tensor, stretch);
  return new Float32Array(bytes.slice().buffer);
}

async function restore(
  window: HeapWindow,
  { name, dtype, storage }: StoredTensor,
  stretch: Stretch,
): Promise<Uint8Array> {
  if (storage.kind !== 'plain') return (await decodeStretch(window, storage, stretch, 'F32', name)).floats;
  if (!isFloatType(dtype)) throw new QuantizeError('unsupported_dtype', { layer: name, detail: dtype });
  const { first, weights } = stretch;
  const plain = { kind: 'float', type: dtype } as const;
  const input = window.input(weights, plain);
  await storage.data.source.read(input, storage.data.begin + first * dtypeBytes(dtype));
  return (await window.encode(weights, plain, { kind: 'float', type: 'F32' }, false)).packed;
}

async function rawBytes({ dtype, storage }: StoredTensor, { first, weights }: Stretch): Promise<Uint8Array> {
  if (storage.kind !== 'plain') return new Uint8Array();
  const bytes = new Uint8Array(weights * dtypeBytes(dtype));
  await storage.data.source.read(bytes, storage.data.begin + first * dtypeBytes(dtype));
  return bytes;
}
