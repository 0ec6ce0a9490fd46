/** What tensors can become besides what they are planned to be. */

import { codecBytes, codecNamed, isFloat, needsRows, sameCodec, traitsOf, type Codec } from '../../codecs/codec.js';
import type { TensorType } from '../../types.js';
import { stretchUnit } from '../../pipeline/stretches.js';
import { withEncoder, type Search } from '../../plan/importance.js';
import { needsImportance } from '../../plan/needed-importance.js';
import { codecTarget, copiedTarget, floatFor, whyNotHeld, type OutputForm } from '../../plan/plan.js';
import type { PlannedStep } from '../../plan/report.js';
import type { WrittenType } from '../../rules/copied.js';
import { holdsRows, rowWeights } from '../../rules/file-types.js';
import { WINDOW_WEIGHTS } from '../../wasm/windows.js';

/**
 * Types of GGUFs from coarse to fine, by families: a tensor moves along the first that has its type. Each ends with types that
 * hold any weights well; floats follow. What stands for other types of the family where rows are short is a family of its own.
 */
const FAMILIES: readonly (readonly TensorType[])[] = [
  ['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0'],
  ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0'],
  [
    ...(['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS', 'IQ3_S', 'IQ4_XS'] as const),
    ...(['Q5_K', 'Q6_K', 'Q8_0'] as const),
  ],
  ['IQ4_NL', 'Q5_K', 'Q5_1', 'Q6_K', 'Q8_0'],
  ['TQ1_0', 'TQ2_0', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0'],
  ['Q1_0', 'Q2_0', 'Q4_0', 'Q5_0', 'Q8_0'],
  ['MXFP4', 'Q5_0', 'Q5_1', 'Q8_0'],
  ['NVFP4', 'Q5_0', 'Q5_1', 'Q8_0'],
];

/** What decides about the tensors of an output, besides themselves. */
export interface LadderTools {
  readonly form: OutputForm;
  /** Of `importance` by the names of what is stored. */
  readonly search: Search;
  /** Of a GGUF. */
  readonly fileType: WrittenType | undefined;
  /** As in ConversionPlan. */
  readonly decodes: readonly TensorType[] | undefined;
}

/** Whether what is measured may give a tensor another type: its own is one of blocks or levels, and no rule's. */
export const isMovable = ({ kept, isAsked, planned: { target } }: PlannedStep): boolean =>
  !kept && isAsked !== true && target.kind === 'codec' && !isFloat(target.codec);

/** A step as it is planned, with finer ones behind it and coarser ones before it, each finer than the one before. */
export interface Ladder {
  readonly coarser: readonly PlannedStep[];
  readonly step: PlannedStep;
  readonly finer: readonly PlannedStep[];
}

/** Nothing but the step itself where it must not be moved. The finest is what is stored, where the output can hold that. */
export function ladderOf(step: PlannedStep, tools: LadderTools): Ladder {
  const { target } = step.planned;
  if (!isMovable(step) || target.kind !== 'codec') return { coarser: [], step, finer: [] };
  const codecs = familyOf(target.codec, step.planned.shape);
  const at = codecs.findIndex((codec) => sameCodec(codec, target.codec));
  const made = (some: readonly Codec[]): PlannedStep[] => some.flatMap((codec) => stepAs(step, codec, tools) ?? []);
  const finer = made(codecs.slice(at + 1));
  // What is stored has lost nothing: nothing is finer.
  const exact = finer.findIndex(({ kept }) => kept);
  return {
    coarser: made(codecs.slice(0, Math.max(at, 0))),
    step,
    finer: exact >= 0 ? finer.slice(0, exact + 1) : [...finer, ...floatSteps(step, tools)],
  };
}

/** Of several families with a type that of which more fits the rows: they share their finest types. */
function familyOf(codec: Codec, shape: readonly number[]): readonly Codec[] {
  const { bits } = traitsOf(codec);
  if (bits.length > 0) return [...bits].sort((a, b) => a - b).map((one) => ({ ...codec, bits: one }));
  const families = FAMILIES.filter((family) => family.some((type) => type === codec.name));
  const fitting = families.find((family) => family.filter((type) => holdsRows(type, shape)).length > 1);
  return (fitting ?? families[0] ?? []).map(codecNamed);
}

/** The step with that codec; null where its rows, or the output, cannot have it. */
function stepAs(step: PlannedStep, codec: Codec, { form, search, fileType, decodes }: LadderTools): PlannedStep | null {
  const { stored, planned } = step;
  if (stored.codec === null || whyNotHeld(codec, form) !== null) return null;
  if (decodes?.some((type) => type === codec.name) === false) return null;
  const row = rowWeights(planned.shape);
  if (row % traitsOf(codec).blockWeights !== 0) return null;
  if (sameCodec(stored.codec, codec) && stored.scale === undefined) return keptStep(step, form);
  const made = withEncoder(step, codec, search);
  if (made === null || (fileType !== undefined && needsImportance(made, fileType))) return null;
  const unit = needsRows(codec, made) ? stretchUnit(stored.codec, row) : 1;
  return unit > WINDOW_WEIGHTS && planned.elements > WINDOW_WEIGHTS ? null : made;
}

/** The bytes that are stored; null where the output cannot hold them. */
function keptStep(step: PlannedStep, form: OutputForm): PlannedStep | null {
  const target = copiedTarget(step.stored, form);
  if (target === null) return null;
  return { ...step, planned: { ...step.planned, target }, kept: true, importance: undefined, effort: 0 };
}

/** Floats that hold the tensor: what it is stored as, and in a GGUF F16 before F32. */
function floatSteps(step: PlannedStep, tools: LadderTools): PlannedStep[] {
  const { form } = tools;
  const { stored } = step;
  const isPlainFloat = stored.codec !== null && ['F32', 'F16', 'BF16'].includes(stored.codec.name);
  const isOwn = isPlainFloat || !form.container.takesFileTypes;
  const kept = isOwn ? keptStep(step, form) : null;
  if (!form.container.takesFileTypes) return [kept ?? floatStep(step, floatFor(stored.dtype))];
  if (kept === null) return [floatStep(step, 'F16'), floatStep(step, 'F32')];
  return stored.codec?.name === 'F32' ? [floatStep(step, 'F16'), kept] : [kept];
}

const floatStep = (step: PlannedStep, type: string): PlannedStep => ({
  ...step,
  planned: { ...step.planned, target: codecTarget(codecNamed(type)) },
  ...{ kept: false, importance: undefined, effort: 0 },
});

/** Bits that a weight takes of what a step makes, its scales counted but for those of levels. */
export function bitsOf({ planned: { target, elements } }: PlannedStep): number {
  if (target.kind === 'copied') return elements === 0 ? 0 : (target.bytes * 8) / elements;
  const { codec } = target;
  if (codec.bits > 0) return codec.bits;
  const { blockWeights } = traitsOf(codec);
  return (codecBytes(codec, blockWeights) * 8) / blockWeights;
}
