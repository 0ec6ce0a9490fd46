/**
 * The element types of tensors in GGUF files, as ggml numbers them. Types that no kernel of this package reads are listed
 * too: their tensors can be inspected and copied.
 */

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

/** Numbers that are missing belonged to types that ggml has dropped, and no longer reads. */
export const GGML_TYPES: readonly GgmlType[] = [
  block('F32', 0, 1, 4),
  block('F16', 1, 1, 2),
  block('Q4_0', 2, 32, 18),
  block('Q4_1', 3, 32, 20),
  block('Q5_0', 6, 32, 22),
  block('Q5_1', 7, 32, 24),
  block('Q8_0', 8, 32, 34),
  block('Q8_1', 9, 32, 36),
  block('Q2_K', 10, 256, 84),
  block('Q3_K', 11, 256, 110),
  block('Q4_K', 12, 256, 144),
  block('Q5_K', 13, 256, 176),
  block('Q6_K', 14, 256, 210),
  block('Q8_K', 15, 256, 292),
  block('IQ2_XXS', 16, 256, 66),
  block('IQ2_XS', 17, 256, 74),
  block('IQ3_XXS', 18, 256, 98),
  block('IQ1_S', 19, 256, 50),
  block('IQ4_NL', 20, 32, 18),
  block('IQ3_S', 21, 256, 110),
  block('IQ2_S', 22, 256, 82),
  block('IQ4_XS', 23, 256, 136),
  block('I8', 24, 1, 1),
  block('I16', 25, 1, 2),
  block('I32', 26, 1, 4),
  block('I64', 27, 1, 8),
  block('F64', 28, 1, 8),
  block('IQ1_M', 29, 256, 56),
  block('BF16', 30, 1, 2),
  block('TQ1_0', 34, 256, 54),
  block('TQ2_0', 35, 256, 66),
  block('MXFP4', 39, 32, 17),
  block('NVFP4', 40, 64, 36),
  block('Q1_0', 41, 128, 18),
  block('Q2_0', 42, 64, 18),
];

/** Values of the key `general.file_type`, llama.cpp's `enum llama_ftype`: what most tensors of a file are. */
export const FILE_TYPES = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q2_K: 10,
  Q3_K_S: 11,
  Q3_K_M: 12,
  Q3_K_L: 13,
  Q4_K_S: 14,
  Q4_K_M: 15,
  Q5_K_S: 16,
  Q5_K_M: 17,
  Q6_K: 18,
  IQ2_XXS: 19,
  IQ2_XS: 20,
  Q2_K_S: 21,
  IQ3_XS: 22,
  IQ3_XXS: 23,
  IQ1_S: 24,
  IQ4_NL: 25,
  IQ3_S: 26,
  IQ3_M: 27,
  IQ2_S: 28,
  IQ2_M: 29,
  IQ4_XS: 30,
  IQ1_M: 31,
  BF16: 32,
  TQ1_0: 36,
  TQ2_0: 37,
  MXFP4_MOE: 38,
  NVFP4: 39,
  Q1_0: 40,
} as const;

const BY_ID: ReadonlyMap<number, GgmlType> = new Map(GGML_TYPES.map((type) => [type.id, type]));
const BY_NAME: ReadonlyMap<string, GgmlType> = new Map(GGML_TYPES.map((type) => [type.name, type]));
const FILE_TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FILE_TYPES).map(([name, id]) => [id, name]),
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
