import { codecLabel } from '../codecs/codec.js';
import { QuantizeError, quoted } from '../errors.js';
import type { WrittenType } from '../rules/copied.js';
import type { PlannedStep } from './report.js';

/** What llama.cpp's quantizer makes with an importance matrix only; without, it says, the result would be garbage. */
const WEIGHED_ALWAYS: readonly string[] = ['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS'];
/** The same of one type of files. */
const WEIGHED_IN: Readonly<Partial<Record<WrittenType, string>>> = { Q2_K_S: 'Q2_K' };

/** Of these it makes anything: nobody computes with them often enough to have measured what counts. */
const NEVER_WEIGHED: readonly string[] = ['token_embd.weight', 'per_layer_token_embd.weight', 'output.weight'];

/**
 * Throws `invalid_option` for a tensor that would be made of too few bits without anything that tells which weights count: no
 * importance, and no effort, with which all count the same.
 */
export function checkNeededImportance(steps: readonly PlannedStep[], type: WrittenType): void {
  const offending = steps.find((step) => needsImportance(step, type));
  if (offending === undefined) return;
  const { stored, planned } = offending;
  const named = planned.target.kind === 'codec' ? codecLabel(planned.target.codec) : type;
  throw new QuantizeError('invalid_option', {
    layer: stored.name,
    detail: `tensor ${quoted(stored.name)} would become ${named}, which is worth little unless it is known how much each column counts; give an importance matrix, more effort, or another type`,
  });
}

/** Whether a step makes too few bits of a tensor of a file of the type, without anything that tells which weights count. */
export function needsImportance({ kept, planned, importance, effort = 0 }: PlannedStep, type: WrittenType): boolean {
  const { name, target } = planned;
  if (kept || target.kind !== 'codec' || importance !== undefined || effort > 0) return false;
  const { name: codec } = target.codec;
  return !NEVER_WEIGHED.includes(name) && (WEIGHED_ALWAYS.includes(codec) || WEIGHED_IN[type] === codec);
}
