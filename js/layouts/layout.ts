import type { Codec } from '../codecs/codec.js';
import type { Entry, FilePart, PlannedEntry } from '../containers/container.js';
import type { PlannedTensor, Tensor } from './tensor.js';

/** What a layout has found in a file. */
export interface LaidOut {
  readonly tensors: readonly Tensor[];
  /** The entries that belong to none of them, for other layouts. */
  readonly rest: readonly Entry[];
}

/**
 * Under which names, types and shapes the planes of a tensor lie in a container, and what metadata says so. A layout knows
 * no file format, and not how a plane is computed. A new one is one file and a line in table.ts.
 */
export interface Layout {
  readonly name: string;
  /** Keys of the texts that say what is laid out so: no part of the model's own metadata. */
  readonly keys: readonly string[];
  /**
   * The tensors of a file that lie so. Throws `invalid_file` or `missing_tensor` where the file says that they do, and they
   * do not.
   */
  read(part: FilePart, container: string): LaidOut;
  /** Why it cannot hold the planes of a codec, in a phrase that follows "because"; null when it can. */
  admits(codec: Codec): string | null;
  /** The entries of a tensor of an output, one for each plane in their order. What it does not admit never comes here. */
  entriesOf(tensor: PlannedTensor): readonly PlannedEntry[];
  /** What the metadata of a file with these tensors has to say: those of one file, where an output is several. */
  textsOf(tensors: readonly PlannedTensor[]): ReadonlyMap<string, string>;
}
