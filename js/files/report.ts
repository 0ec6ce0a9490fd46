import { storedBytes, targetBytes, type AffineLayout, type PlannedTensor, type StoredTensor } from './container.js';
import type { TensorMetrics } from './metrics.js';

/** What became of one tensor. */
export interface TensorReport {
  readonly name: string;
  readonly shape: readonly number[];
  /** Element type, or what it was quantized to: `F16`, `int4 g128`, `int8 tensor symmetric`. */
  readonly from: string;
  readonly to: string;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** What quantization lost; null where nothing was quantized or measured, or a restored weight is beyond f32. */
  readonly rmse: number | null;
  /** `rmse` over the root of the mean square of the original. */
  readonly relativeRmse: number | null;
  readonly cosine: number | null;
  readonly maxError: number | null;
  /** Name of the rule that kept the tensor as it is; null when it was converted. */
  readonly rule: string | null;
}

export interface FileTotals {
  readonly tensors: number;
  readonly converted: number;
  readonly kept: number;
  readonly elements: number;
  /** Bytes of the tensors, headers not counted. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** `bytesBefore / bytesAfter`. */
  readonly ratio: number;
  /** Bytes of the whole output file. */
  readonly fileBytes: number;
  readonly seconds: number;
  /** `bytesBefore / seconds`. */
  readonly bytesPerSecond: number;
}

/** Outcome of a conversion; tensors in sorted name order. */
export interface FileReport {
  readonly input: string;
  readonly output: string;
  readonly tensors: readonly TensorReport[];
  readonly totals: FileTotals;
}

/** What happens during a conversion. */
export type FileEvent =
  /** Everything has been checked and planned; `bytes` of input are to be dealt with. */
  | { readonly type: 'start'; readonly tensors: number; readonly bytes: number }
  /** `done` of `bytes` have been dealt with after `seconds`; the last ones were those of `tensor`. */
  | {
      readonly type: 'bytes';
      readonly tensor: string;
      readonly done: number;
      readonly bytes: number;
      readonly seconds: number;
    }
  /** A tensor is written; it is number `done` of `tensors`. */
  | { readonly type: 'tensor'; readonly report: TensorReport; readonly done: number; readonly tensors: number };

/** `int4 g128 symmetric`: bits, group size (or `tensor`), symmetry. */
export function affineLabel({ bits, groupSize, symmetric }: AffineLayout): string {
  const group = groupSize === 0 ? 'tensor' : `g${groupSize}`;
  return `int${bits} ${group}${symmetric ? ' symmetric' : ''}`;
}

export const storageLabel = ({ dtype, storage }: StoredTensor): string =>
  storage.kind === 'plain' ? dtype : affineLabel(storage);

export function tensorReport(
  stored: StoredTensor,
  { elements, target }: PlannedTensor,
  rule: string | null,
  metrics: TensorMetrics | null,
): TensorReport {
  return {
    name: stored.name,
    shape: stored.shape,
    from: storageLabel(stored),
    to: target.kind === 'plain' ? target.dtype : affineLabel(target),
    bytesBefore: storedBytes(stored.storage),
    bytesAfter: targetBytes(elements, target),
    rmse: metrics?.rmse ?? null,
    relativeRmse: metrics?.relativeRmse ?? null,
    cosine: metrics?.cosine ?? null,
    maxError: metrics?.maxError ?? null,
    rule,
  };
}

export function totalsOf(
  tensors: readonly TensorReport[],
  elements: number,
  fileBytes: number,
  seconds: number,
): FileTotals {
  const sum = (bytes: (tensor: TensorReport) => number): number =>
    tensors.reduce((total, tensor) => total + bytes(tensor), 0);
  const bytesBefore = sum((tensor) => tensor.bytesBefore);
  const bytesAfter = sum((tensor) => tensor.bytesAfter);
  const kept = tensors.filter(({ rule }) => rule !== null).length;
  return {
    tensors: tensors.length,
    converted: tensors.length - kept,
    kept,
    elements,
    bytesBefore,
    bytesAfter,
    ratio: bytesAfter === 0 ? 1 : bytesBefore / bytesAfter,
    fileBytes,
    seconds,
    bytesPerSecond: seconds === 0 ? 0 : bytesBefore / seconds,
  };
}

/** By UTF-16 code units, as the batch functions sort. */
export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : Number(a.name > b.name);
