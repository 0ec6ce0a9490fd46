/** Types of weights, and columns that have them. */

import type { ArrowField, ArrowType } from './schema.js';

/** The column of weights; those that are not F32 lie in it, too, where all of a file are of the same type. */
export const WEIGHTS = 'weights';
export const NAME = 'layer_name';
export const SHAPE = 'shape';

/** Types of elements that lists can have, as Arrow has them. */
const ELEMENTS: Readonly<Record<string, ArrowType>> = {
  F32: { kind: 'float', bits: 32 },
  F16: { kind: 'float', bits: 16 },
  ...Object.fromEntries(
    [8, 16, 32, 64].flatMap((bits): [string, ArrowType][] => [
      [`I${bits}`, { kind: 'integer', bits, signed: true }],
      [`U${bits}`, { kind: 'integer', bits, signed: false }],
    ]),
  ),
};

export const elementTypeOf = (name: string): ArrowType | undefined =>
  Object.hasOwn(ELEMENTS, name) ? ELEMENTS[name] : undefined;

/** What the elements of a list are called elsewhere; undefined for those that are read as nothing. */
export function elementName({ type }: Pick<ArrowField, 'type'>): string | undefined {
  if (type.kind === 'float') return { 16: 'F16', 32: 'F32' }[type.bits];
  return type.kind === 'integer' ? `${type.signed ? 'I' : 'U'}${type.bits}` : undefined;
}

/** The columns of weights: floats in `weights`, and what a file has besides in `weights_f16`, `weights_i64`. */
export const isWeights = (column: string): boolean => column === WEIGHTS || /^weights_[fiu]\d+$/u.test(column);

/** The column of weights of a type, in a file whose `weights` have another. */
export const weightsColumn = (element: string): string => `${WEIGHTS}_${element.toLowerCase()}`;
