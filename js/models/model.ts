import type { Carried, FactValue } from '../containers/container.js';
import { hasFinalNames, openFiles } from '../containers/registry.js';
import { modelTexts, tensorsOf } from '../layouts/read-tensors.js';
import { LAYOUT_COLUMNS } from '../layouts/table.js';
import type { Tensor } from '../layouts/tensor.js';
import type { ByteSource } from '../io/byte-io.js';
import { Companions } from './companions.js';
import type { InputContainerName } from '../types.js';

/** An opened model: one file or all its shards, and the tensors in it, whatever they lie as. */
export interface Model {
  /** Name of the container format. */
  readonly container: InputContainerName;
  /** Whether tensors have the names and shapes that programs which run the model expect. */
  readonly hasFinalNames: boolean;
  /** What error messages call it. */
  readonly name: string;
  /** Every file that it consists of, the index of a sharded one included. */
  readonly sources: readonly ByteSource[];
  /** In the order in which they lie in the files. */
  readonly tensors: readonly Tensor[];
  /** Texts that describe the model, as people read them. */
  readonly texts: ReadonlyMap<string, string>;
  /** Those of them that an output of another container may take over. */
  readonly portableTexts: ReadonlyMap<string, string>;
  readonly carried: Carried | null;
  /** Sentences on what of the files was taken for the model. */
  readonly notes: readonly string[];
  /** What the metadata says under a key. */
  readonly fact: (key: string) => FactValue | undefined;
  /** The files beside it; closed with it. */
  readonly companions: Companions;
  close(): Promise<void>;
}

/** Opens the model in `source`, which it closes, also when it rejects. `signal` ends long work on what has been read. */
export async function openModel(source: ByteSource, signal?: AbortSignal): Promise<Model> {
  const files = await openFiles(source, { columns: LAYOUT_COLUMNS, signal });
  try {
    const { container, name, sources, parts, carried } = files;
    const companions = new Companions(sources[0] ?? source);
    return {
      ...{ name, sources, carried, tensors: tensorsOf(files) },
      // Without what the layouts say: that is about their entries.
      texts: modelTexts(files.texts, parts),
      portableTexts: modelTexts(files.portableTexts, parts),
      notes: [...new Set(parts.flatMap(({ notes = [] }) => notes))],
      container: container as InputContainerName,
      hasFinalNames: hasFinalNames(container),
      fact: (key) => files.fact(key),
      companions,
      close: async () => {
        await companions.close();
        await files.close();
      },
    };
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** All files that have been opened of the model, and beside it. */
export const filesOf = ({ sources, companions }: Pick<Model, 'sources' | 'companions'>): readonly ByteSource[] => [
  ...sources,
  ...companions.opened,
];

/** Rejects with `unreadable_input` when one of the model's files is no longer what it was when it was opened. */
export async function checkUnchanged(model: Model): Promise<void> {
  for (const source of filesOf(model)) await source.checkUnchanged();
}
