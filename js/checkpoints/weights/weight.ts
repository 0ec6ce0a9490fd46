import { traitsOf } from '../../codecs/codec.js';
import { invalidFile, quoted } from '../../containers/invalid-file.js';
import type { QuantizeError } from '../../errors.js';
import { sourceOf, type CodedTensor, type StoredPlane } from '../../layouts/tensor.js';

/**
 * Weights that a checkpoint has, or that are made of them while they are read: a tensor of F32, F16 or BF16 with one plane. What
 * changes it makes another one; nothing is read before the bytes are needed.
 */
export type Weight = CodedTensor & {
  /** Of a tensor of a GGUF: whether llama.cpp opens it without. */
  readonly isOptional?: boolean;
};

const FLOAT_TYPES = ['F32', 'F16', 'BF16'] as const;

/** The types that weights have. */
export type FloatType = (typeof FLOAT_TYPES)[number];

export const isFloatType = (name: string): name is FloatType => FLOAT_TYPES.some((type) => type === name);

/** The same weights under another name. */
export const renamed = (weight: Weight, name: string): Weight => ({
  ...weight,
  name,
  partNames: weight.partNames ?? [weight.name],
});

/** Where its bytes lie. */
export const planeOf = ({ name, planes }: Weight): StoredPlane => {
  const [plane] = planes;
  if (plane === undefined || planes.length > 1) throw new RangeError(`${name} has not one plane`);
  return plane;
};

/** Bytes of an element. */
export const elementBytes = ({ codec }: Pick<Weight, 'codec'>): number =>
  (traitsOf(codec).planes[0]?.unitBits ?? 0) / 8;

/** Bytes of one of what the first dimension counts. */
export const rowBytes = (weight: Weight): number => {
  const [, ...row] = weight.shape;
  return row.reduce((product, size) => product * size, elementBytes(weight));
};

/** The error for weights that cannot be what a model needs of them. */
export const misshapen = (weight: Weight, needed: string): QuantizeError =>
  invalidFile(
    sourceOf(weight),
    `tensor ${quoted(weight.name)} has the shape [${weight.shape.join(', ')}], and needs ${needed}`,
    { layer: weight.name },
  );
