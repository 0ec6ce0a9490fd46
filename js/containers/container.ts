import type { BlockType } from '../types.js';
import { dtypeBytes, type DType } from './dtypes.js';
import { ggmlBytes, ggmlTypeNamed } from './gguf/ggml-types.js';
import type { GgufKeyValue } from './gguf/key-values.js';
import type { GgufLimits } from './gguf/writer.js';
import type { ByteRange, ByteSource } from '../io/byte-io.js';

/** Affine quantization of one tensor; `groupSize` 0 means one group for all of it. */
export interface AffineLayout {
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
}

/** Where a tensor's values lie, and as what. */
export type TensorStorage =
  /** Elements of the tensor's `dtype`; the values are `scale` times as large (fp8 checkpoints), once where it is absent. */
  | { readonly kind: 'plain'; readonly data: ByteRange; readonly scale?: number }
  /** Blocks of a llama.cpp format. */
  | { readonly kind: 'block'; readonly format: BlockType; readonly data: ByteRange }
  /**
   * What can be copied, but not decoded: elements or blocks of a type that no kernel reads, or that nobody here knows.
   * `ggmlId` is the number of an unknown type of a GGUF.
   */
  | { readonly kind: 'opaque'; readonly type: string; readonly ggmlId?: number; readonly data: ByteRange }
  | ({
      readonly kind: 'affine';
      readonly packed: ByteRange;
      readonly scales: ByteRange;
      readonly zeroPoints: ByteRange;
    } & AffineLayout);

/**
 * A tensor as its container holds it. For a quantized one, `dtype` is what it was before, or F32 where nobody says; for an
 * opaque one it says nothing. `shape` has the contiguous dimension last.
 */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The shape before rows were joined to fill blocks; absent where nobody did. */
  readonly originalShape?: readonly number[];
  readonly elements: number;
  readonly storage: TensorStorage;
}

/** An opened model: one file or all its shards. */
export interface Model {
  /** Name of the container format. */
  readonly container: ContainerName;
  /** What error messages call it. */
  readonly name: string;
  /** Every file that it consists of, the index of a sharded one included. */
  readonly sources: readonly ByteSource[];
  /** In the order in which they lie in the files. */
  readonly tensors: readonly StoredTensor[];
  /** Texts that describe the model; of a GGUF, its key-value pairs as people read them. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The key-value pairs of a GGUF; none in other containers. */
  readonly keyValues: readonly GgufKeyValue[];
  close(): Promise<void>;
}

/** What a tensor is to be in an output file. */
export type TensorTarget =
  /** Elements of a type; bytes are copied as they are where the tensor has it already. */
  | { readonly kind: 'plain'; readonly dtype: DType }
  | { readonly kind: 'block'; readonly format: BlockType }
  /** Bytes copied as they are; `type` and `ggmlId` as in TensorStorage. */
  | { readonly kind: 'opaque'; readonly type: string; readonly ggmlId?: number; readonly bytes: number }
  | ({ readonly kind: 'affine' } & AffineLayout);

/** A tensor of an output file, under its name and with its shape there. */
export interface PlannedTensor {
  readonly name: string;
  /** As in StoredTensor: for a quantized one, the type before. */
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly target: TensorTarget;
}

/** Where the parts of a planned tensor go: offsets from the first byte of the output file number `file`. */
export interface TensorPlace {
  readonly file: number;
  readonly data: number;
  readonly scales: number;
  readonly zeroPoints: number;
}

/** One file of the output, complete but for the tensors' bytes. */
export interface OutputFile {
  readonly name: string;
  /** The first bytes of the file. */
  readonly header: Uint8Array;
  readonly fileBytes: number;
}

/** A complete output but for the tensors' bytes. */
export interface FileLayout {
  readonly files: readonly OutputFile[];
  /** One for each planned tensor, in the same order. */
  readonly places: readonly TensorPlace[];
}

/** What goes into an output. */
export interface OutputContents {
  readonly tensors: readonly PlannedTensor[];
  /** Containers of texts keep these, GGUF the key-value pairs. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly keyValues: readonly GgufKeyValue[];
  /** Name of the output; of several files' names, what they are made from. */
  readonly file: string;
  /** What the programs that a GGUF is for can read; undefined for ggml's own limits. */
  readonly limits: GgufLimits | undefined;
  /** Most bytes of one file; undefined for a single file of any size. */
  readonly splitBytes: number | undefined;
}

/** A file format that models come in. A new one is one file and a line in registry.ts. */
export interface Container {
  readonly name: ContainerName;
  /** What the names of its files end with, in lower case. */
  readonly extension: string;
  /** Whether a file that begins with `head` is in this format. */
  recognizes(head: Uint8Array): boolean;
  /**
   * Reads and checks everything but the tensors' bytes. The model closes `source`; if this rejects, the caller does.
   * Rejects with `invalid_file`, `unsupported_dtype`, `missing_tensor`, `missing_shard` or `unreadable_input`.
   */
  open(source: ByteSource): Promise<Model>;
  /** Lays out an output. Throws a `QuantizeError` for what the format cannot hold. */
  layout(contents: OutputContents): FileLayout;
}

/** Names of the file formats. */
export type ContainerName = 'safetensors' | 'gguf';

/** A group's scale (F32) and zero point (U8). */
const PARAMETER_BYTES = 5;

/** Entries of the parameters of `elements` weights. */
export const groupCount = (elements: number, groupSize: number): number =>
  groupSize === 0 ? Math.min(elements, 1) : Math.ceil(elements / groupSize);

/** Bytes of `elements` packed levels. */
export const packedBytes = (elements: number, bits: number): number => Math.ceil((elements * bits) / 8);

/** All bytes that a stored tensor takes. */
export function storedBytes(storage: TensorStorage): number {
  if (storage.kind !== 'affine') return storage.data.bytes;
  return storage.packed.bytes + storage.scales.bytes + storage.zeroPoints.bytes;
}

/** The file that a stored tensor lies in. */
export const sourceOf = (storage: TensorStorage): ByteSource =>
  (storage.kind === 'affine' ? storage.packed : storage.data).source;

/** All bytes that `elements` elements take as `target`; for blocks, `elements` is a whole number of them. */
export function targetBytes(elements: number, target: TensorTarget): number {
  switch (target.kind) {
    case 'plain':
      return elements * dtypeBytes(target.dtype);
    case 'affine':
      return packedBytes(elements, target.bits) + groupCount(elements, target.groupSize) * PARAMETER_BYTES;
    case 'block':
      return blockBytes(elements, target.format);
    case 'opaque':
      return target.bytes;
  }
}

function blockBytes(elements: number, name: string): number {
  const type = ggmlTypeNamed(name);
  if (type === undefined) throw new RangeError(`${name} is no ggml type`);
  return ggmlBytes(type, elements);
}
