/** What all formats of folders do with a tensor that they do not quantize, and with the caller's rules. */

import { codecNamed, isFloat } from '../../codecs/codec.js';
import { QuantizeError } from '../../errors.js';
import { storageLabel, type Target, type Tensor } from '../../layouts/tensor.js';
import { codecTarget, copiedTarget, floatFor, notHeld, whyNotHeld, type OutputForm } from '../../plan/plan.js';
import type { PlannedStep } from '../../plan/report.js';
import { fulfilsByAnyName, type TensorDescription, type TypedRule } from '../../rules/rule.js';

/** A tensor of the output, and what of the input it is made of. */
export interface NamedTensor {
  readonly name: string;
  readonly stored: Tensor;
}

/** What rules see of it: its name here, and those that it has in the input. */
export const described = ({ name, stored }: NamedTensor): TensorDescription => ({
  name,
  otherNames: stored.partNames ?? [stored.name],
  dtype: storageLabel(stored),
  shape: stored.shape,
  elements: stored.elements,
});

export const ruleFor = (tensor: NamedTensor, rules: readonly TypedRule[]): TypedRule | undefined =>
  rules.find(({ when }) => fulfilsByAnyName(described(tensor), when));

export function namedStep(
  { name, stored }: NamedTensor,
  target: Target,
  rule: string | null,
  kept: boolean,
): PlannedStep {
  const { dtype, elements } = stored;
  const shape = stored.originalShape ?? stored.shape;
  return { stored, planned: { name, dtype, shape, elements, target }, rule, kept };
}

/** The type that a tensor's floats have, or had before they were quantized; null where it has none. */
export function floatOf({ codec, dtype }: Tensor): string | null {
  if (codec === null) return null;
  const isOwn = isFloat(codec) && ['F32', 'F16', 'BF16'].includes(codec.name);
  return isOwn ? codec.name : floatFor(dtype);
}

/**
 * A tensor that stays floats: as `dtype`, or what it is where that is null. What has no floats is copied. Throws
 * `unsupported_dtype` for what the output cannot hold.
 */
export function floatStep(tensor: NamedTensor, dtype: string | null, rule: string, form: OutputForm): PlannedStep {
  const { stored } = tensor;
  const type = dtype ?? floatOf(stored);
  if (stored.codec === null || type === null) {
    const copied = copiedTarget(stored, form);
    if (copied !== null) return namedStep(tensor, copied, rule, true);
    throw notHeld([stored], form) ?? new RangeError('a tensor is held that cannot be');
  }
  const isSame = stored.codec.name === type && stored.scale === undefined;
  return namedStep(tensor, codecTarget(codecNamed(type)), rule, isSame);
}

/** Throws `invalid_option` where a rule of the caller's gives a type that the output cannot hold. */
export function checkRules(rules: readonly TypedRule[], form: OutputForm): void {
  for (const { name, type } of rules) {
    if (type === 'keep' || type === 'drop' || type === 'quantize') continue;
    const why = whyNotHeld(codecNamed(type), form);
    if (why === null) continue;
    throw new QuantizeError('invalid_option', { detail: `${name} gives a type that the output cannot hold: ${why}` });
  }
}
