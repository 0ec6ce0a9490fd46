import type { Codec } from '../codecs/codec.js';
import type { Entry, FilePart, PlannedEntry, PlannedValue } from '../containers/container.js';
import type { PlannedTensor, Tensor } from './tensor.js';

/** What a layout has found in a file. */
export interface LaidOut {
  readonly tensors: readonly Tensor[];
  /** The entries that belong to none of them, for other layouts. */
  readonly rest: readonly Entry[];
}

/** What a layout makes the entries of a tensor of, where entry i is not simply plane i of the codec. */
export interface TensorParts {
  /** For each of the tensor's entries: the plane that it is, the bytes that it always has, or that it is made afterwards. */
  readonly contents: readonly EntryContent[];
  /** The planes that `make` is given: they are kept in memory until all of the tensor is encoded, and not written. */
  readonly kept: readonly number[];
  /**
   * Makes the entries whose content is `made`, in their order, each of the bytes that were planned. `planes` has those of
   * `kept`, in that order. Called once, when all of the tensor is encoded.
   */
  readonly make?:
    ((planes: readonly Uint8Array[], tools: FinishingTools) => Promise<readonly Uint8Array[]>) | undefined;
}

/** A number is that of a plane; one that is neither here nor kept is not written. */
export type EntryContent = number | Uint8Array | 'made';

/** What can be had while a tensor is finished. */
export interface FinishingTools {
  /** The planes of values that are encoded as one row. Rejects with `not_finite` and the like, as encoding does. */
  encode(values: Float32Array, codec: Codec): Promise<readonly Uint8Array[]>;
}

/**
 * Under which names, types and shapes the planes of a tensor lie in a container that is written, and what metadata says so. A
 * layout knows no file format, and not how a plane is computed.
 */
export interface OutputLayout {
  readonly name: string;
  /** Whether entries are columns of a row: only containers whose files are tables hold them. */
  readonly hasColumns?: true;
  /** Why it cannot hold the planes of a codec, in a phrase that follows "because"; null when it can. */
  admits(codec: Codec): string | null;
  /** The entries of a tensor of an output, one for each plane in their order. What it does not admit never comes here. */
  entriesOf(tensor: PlannedTensor): readonly PlannedEntry[];
  /** The single values beside those entries, by column; absent, or undefined, where they say all. */
  valuesOf?(tensor: PlannedTensor): ReadonlyMap<string, PlannedValue> | undefined;
  /** What those entries are made of; absent, or null, where they are the planes in their order. */
  partsOf?(tensor: PlannedTensor): TensorParts | null;
  /** What the metadata of a file with these tensors has to say: those of one file, where an output is several. */
  textsOf(tensors: readonly PlannedTensor[]): ReadonlyMap<string, string>;
}

/** A layout that files are also read in. A new one is one file and a line in table.ts. */
export interface Layout extends OutputLayout {
  /** Keys of the texts that say what is laid out so: no part of the model's own metadata. */
  readonly keys: readonly string[];
  /** The columns, besides those of weights, that it looks at in files that are tables; absent where there are none. */
  readonly columns?: readonly string[];
  /**
   * The tensors of a file that lie so. Throws `invalid_file` or `missing_tensor` where the file says that they do, and they
   * do not.
   */
  read(part: FilePart, container: string): LaidOut;
}
