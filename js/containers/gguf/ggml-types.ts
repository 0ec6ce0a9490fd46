/**
 * The element types of tensors in GGUF files, as ggml numbers them. Types that no kernel of this package reads are listed
 * too: their tensors can be inspected and copied.
 */

import { codecBytes, codecNamed } from '../../codecs/codec.js';
import { CODECS, type FILE_TYPES } from '../../codecs/table.js';

/** What a ggml type is called. */
export interface GgmlTypeId {
  readonly name: string;
  /** Its number in files, `enum ggml_type`. */
  readonly id: number;
}

/** A ggml type that is known: a row of such a tensor is a whole number of blocks. */
export interface GgmlType extends GgmlTypeId {
  /** Elements of a block; 1 for types that are no block format. */
  readonly blockWeights: number;
  readonly blockBytes: number;
}

const block = (name: string, id: number, blockWeights: number, blockBytes: number): GgmlType => {
  return { name, id, blockWeights, blockBytes };
};

/** Types of ggml that are no codecs here: whole numbers, and what programs compute with. */
const OTHERS: readonly GgmlType[] = [
  block('Q8_1', 9, 32, 36),
  block('Q8_K', 15, 256, 292),
  block('I8', 24, 1, 1),
  block('I16', 25, 1, 2),
  block('I32', 26, 1, 4),
  block('I64', 27, 1, 8),
  block('F64', 28, 1, 8),
];

const CODEC_TYPES = CODECS.flatMap(({ name, ggmlType, blockWeights }) =>
  ggmlType === null ? [] : [block(name, ggmlType, blockWeights, codecBytes(codecNamed(name), blockWeights))],
);

/** By number. Those that are missing belonged to types that ggml has dropped, and no longer reads. */
export const GGML_TYPES: readonly GgmlType[] = [...OTHERS, ...CODEC_TYPES].sort((a, b) => a.id - b.id);

/** What llama-quantize makes no files of, only llama.cpp's converter. */
const OTHER_FILE_TYPES = { NVFP4: 39 } as const;

/** Values of the key `general.file_type`, llama.cpp's `enum llama_ftype`: what most tensors of a file are. */
export const FILE_TYPE_IDS = Object.fromEntries([
  ...Object.entries(OTHER_FILE_TYPES),
  ...CODECS.flatMap(({ fileTypes }) => fileTypes.map(({ name, id }) => [name, id] as const)),
]) as Readonly<Record<(typeof FILE_TYPES)[number] | keyof typeof OTHER_FILE_TYPES, number>>;

const BY_ID: ReadonlyMap<number, GgmlType> = new Map(GGML_TYPES.map((type) => [type.id, type]));
const BY_NAME: ReadonlyMap<string, GgmlType> = new Map(GGML_TYPES.map((type) => [type.name, type]));
const FILE_TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FILE_TYPE_IDS).map(([name, id]) => [id, name]),
);

/** The type with that number; undefined when ggml has none. */
export const ggmlTypeOfId = (id: number): GgmlType | undefined => BY_ID.get(id);

/** A type that is none of ggml's, or a newer one: nobody knows how many bytes a tensor of it takes. */
export const unknownGgmlType = (id: number): GgmlTypeId => ({ name: `ggml type ${id}`, id });

/** Whether the type's blocks are known. */
export const isKnownType = (type: GgmlTypeId): type is GgmlType => BY_ID.has(type.id);

/** The type of that name (`Q4_K`, in capitals); undefined when ggml has none. */
export const ggmlTypeNamed = (name: string): GgmlType | undefined => BY_NAME.get(name);

/** The name of a value of `general.file_type`; undefined when it is none of llama.cpp's. */
export const fileTypeName = (id: number): string | undefined => FILE_TYPE_NAMES.get(id);

/** Bytes of `elements` elements, which are a whole number of blocks. */
export const ggmlBytes = ({ blockWeights, blockBytes }: GgmlType, elements: number): number =>
  (elements / blockWeights) * blockBytes;

/** Whether rows of `elements` elements, the last dimension, are whole blocks. */
export const isWholeBlocks = ({ blockWeights }: GgmlType, elements: number): boolean => elements % blockWeights === 0;
