import { dtypeBytes, type DType } from './dtypes.js';
import type { ByteRange, ByteSource } from './io.js';

/** Affine quantization of one tensor; `groupSize` 0 means one group for all of it. */
export interface AffineLayout {
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
}

/** Where a tensor's values lie, and as what. */
export type TensorStorage =
  | { readonly kind: 'plain'; readonly data: ByteRange }
  | ({
      readonly kind: 'affine';
      readonly packed: ByteRange;
      readonly scales: ByteRange;
      readonly zeroPoints: ByteRange;
    } & AffineLayout);

/** A tensor as its container holds it. For a quantized one, `dtype` is what it was before. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly storage: TensorStorage;
}

/** An opened model: one file or all its shards. */
export interface Model {
  /** Name of the container format. */
  readonly container: string;
  /** What error messages call it. */
  readonly name: string;
  /** Every file that it consists of, the index of a sharded one included. */
  readonly sources: readonly ByteSource[];
  /** In the order in which they lie in the files. */
  readonly tensors: readonly StoredTensor[];
  readonly metadata: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

/** What a tensor is to be in an output file. */
export type TensorTarget =
  /** Bytes copied as they are. */
  { readonly kind: 'plain'; readonly dtype: DType } | ({ readonly kind: 'affine' } & AffineLayout);

export interface PlannedTensor {
  readonly name: string;
  /** As in StoredTensor: for a quantized one, the type before. */
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly target: TensorTarget;
}

/** Where the parts of a planned tensor go: offsets from the file's first byte. */
export interface TensorPlace {
  readonly data: number;
  readonly scales: number;
  readonly zeroPoints: number;
}

/** A complete output file but for the tensors' bytes. */
export interface FileLayout {
  /** The first bytes of the file. */
  readonly header: Uint8Array;
  readonly fileBytes: number;
  /** One for each planned tensor, in the same order. */
  readonly places: readonly TensorPlace[];
}

/** A file format that models come in. A new one is one file and a line in registry.ts. */
export interface Container {
  readonly name: string;
  /** What the names of its files end with, in lower case. */
  readonly extension: string;
  /** Whether a file that begins with `head` is in this format. */
  recognizes(head: Uint8Array): boolean;
  /**
   * Reads and checks everything but the tensors' bytes. The model closes `source`; if this rejects, the caller does.
   * Rejects with `invalid_file`, `unsupported_dtype`, `missing_tensor`, `missing_shard` or `unreadable_input`.
   */
  open(source: ByteSource): Promise<Model>;
  /** Lays out a file of `tensors`. Throws a `QuantizeError` for what the format cannot hold; `file` names the output. */
  layout(tensors: readonly PlannedTensor[], metadata: ReadonlyMap<string, string>, file: string): FileLayout;
}

/** A group's scale (F32) and zero point (U8). */
const PARAMETER_BYTES = 5;

/** Entries of the parameters of `elements` weights. */
export const groupCount = (elements: number, groupSize: number): number =>
  groupSize === 0 ? Math.min(elements, 1) : Math.ceil(elements / groupSize);

/** Bytes of `elements` packed levels. */
export const packedBytes = (elements: number, bits: number): number => Math.ceil((elements * bits) / 8);

/** All bytes that a stored tensor takes. */
export function storedBytes(storage: TensorStorage): number {
  if (storage.kind === 'plain') return storage.data.bytes;
  return storage.packed.bytes + storage.scales.bytes + storage.zeroPoints.bytes;
}

/** All bytes that `elements` elements take as `target`. */
export function targetBytes(elements: number, target: TensorTarget): number {
  if (target.kind === 'plain') return elements * dtypeBytes(target.dtype);
  return packedBytes(elements, target.bits) + groupCount(elements, target.groupSize) * PARAMETER_BYTES;
}
