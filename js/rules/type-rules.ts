import { findTraits } from '../codecs/codec.js';
import { QuantizeError, quoted } from '../errors.js';
import type { OutputForm, TypeChoice } from './decision.js';
import { BLOCK_WEIGHTS, holdsRows, rowWeights } from './file-types.js';
import { fulfils, type TensorDescription, type TypedRule } from './rule.js';

/** Whether the tensor is decoded to floats; any other stays as it is. */
export const isDecoded = ({ dtype, isDecoded: told }: TensorDescription): boolean =>
  told ?? findTraits(dtype.replace(/ scaled$/u, '')) !== undefined;

/** Why a tensor stays as it is that is not decoded. */
export const undecodedBecause = (dtype: string): string =>
  /^(?:[IU]\d+|BOOL)$/u.test(dtype) ? 'no floats' : `${dtype} cannot be decoded`;

/**
 * What the first of the caller's `rules` that matches says; null when none does.
 * Throws `invalid_option` when the tensor cannot become that: it is never changed into something else silently.
 */
export function choiceOfRules(
  rules: readonly TypedRule[],
  tensor: TensorDescription,
  output: OutputForm,
): TypeChoice | null {
  const renamed = { ...tensor, name: output.name };
  const found = rules.find(({ when }) => fulfils(tensor, when) || fulfils(renamed, when));
  if (found === undefined) return null;
  const { type, name: rule } = found;
  if (type === 'keep' || type === 'drop') return { type, rule };
  const why = !isDecoded(tensor)
    ? `its elements are ${tensor.dtype}`
    : !holdsRows(type, output.shape)
      ? `a row of ${rowWeights(output.shape)} weights is no whole number of blocks of ${BLOCK_WEIGHTS[type]}`
      : null;
  if (why === null) return { type, rule };
  throw new QuantizeError('invalid_option', {
    layer: tensor.name,
    detail: `${rule} cannot apply to tensor ${quoted(tensor.name)}: ${why}`,
  });
}
