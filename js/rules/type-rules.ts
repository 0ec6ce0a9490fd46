import { findTraits } from '../codecs/codec.js';
import { QuantizeError, quoted } from '../errors.js';
import type { TypeChoice } from './decision.js';
import { fitting } from './fallbacks.js';
import { fulfils, fulfilsByAnyName, type TensorDescription, type PlainRule } from './rule.js';
import type { PlacedTensor } from './rulebook.js';

/** Whether the tensor is decoded to floats; any other stays as it is. */
export const isDecoded = ({ dtype, isDecoded: told }: TensorDescription): boolean =>
  told ?? findTraits(dtype.replace(/ scaled$/u, '')) !== undefined;

/** Why a tensor stays as it is that is not decoded. */
export const undecodedBecause = (dtype: string): string =>
  /^(?:[IU]\d+|BOOL)$/u.test(dtype) ? 'no floats' : `${dtype} cannot be decoded`;

/**
 * What the first of the caller's `rules` says that is about the tensor, by its name in the input or in the output; null when
 * none is. Rules that give a type are about tensors that may be quantized, and about those whose whole names they are. Where
 * rows are no whole blocks of the type, llama.cpp's fallback takes its place.
 * Throws `invalid_option` where a rule names a tensor that has no floats.
 */
export function choiceOfRules(
  rules: readonly PlainRule[],
  { tensor, output }: PlacedTensor,
  mayBeQuantized: boolean,
): TypeChoice | null {
  const renamed = { ...tensor, name: output.name };
  const found = rules.find(
    ({ type, when, isWholeName = false }) =>
      (mayBeQuantized || isWholeName || type === 'keep' || type === 'drop') &&
      (fulfilsByAnyName(tensor, when) || fulfils(renamed, when)),
  );
  if (found === undefined) return null;
  const { type, name: rule } = found;
  if (type === 'keep' || type === 'drop') return { type, rule };
  if (isDecoded(tensor)) return { ...fitting({ type, rule }, output.shape, `${rule}, `), isAsked: true };
  throw new QuantizeError('invalid_option', {
    layer: tensor.name,
    detail: `${rule} cannot apply to tensor ${quoted(tensor.name)}: its elements are ${tensor.dtype}`,
  });
}
