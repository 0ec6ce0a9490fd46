/** Plans whose types follow from what they lose: weights are encoded once to find out, and nothing is written. */

import type { Fact } from '../../containers/container.js';
import { targetLabel } from '../../layouts/tensor.js';
import { idOf } from '../../plan/file-type-id.js';
import { EFFORT_KEY, effortFacts } from '../../plan/effort-fact.js';
import { importanceIn } from '../../plan/importance.js';
import { filesOfPart } from '../../plan/parts.js';
import { layOut, type ConversionPlan } from '../../plan/plan.js';
import type { PlannedStep } from '../../plan/report.js';
import type { BelowFloor, MeasuredContext } from './context.js';
import { belowWarning, floored, isAbove, refuseBelow } from './floor.js';
import { isMovable, ladderOf, type LadderTools } from './ladder.js';
import { measured, type Outcome, type Trial } from './measure.js';
import { targeted } from './target.js';

const FILE_TYPE_KEY = 'general.file_type';
const ALIGNMENT_KEY = 'general.alignment';
const DEFAULT_ALIGNMENT = 32;

/**
 * The plan with other types where the goals ask for them. Reads all weights that are to be encoded. Rejects as the conversion would
 * for what it would refuse, with `below_min_cosine` where the floor says `failFast`, and with `invalid_option` for a size that cannot
 * be reached.
 */
export async function measuredPlan(plan: ConversionPlan, context: MeasuredContext): Promise<ConversionPlan> {
  const { goals } = context;
  const trials = trialsOf(plan, context);
  const outcomes = await measuredOutcomes(trials, context);
  const { floor } = goals;
  const steps = new Map<PlannedStep, PlannedStep>();
  const below: BelowFloor[] = [];
  const isSized = (trial: Trial): boolean => goals.targetBytes !== undefined && isMovable(trial.planned);
  for (const [trial, own] of outcomes) {
    if (floor === null || isSized(trial)) continue;
    const made = floored(floor, own);
    steps.set(trial.planned, made.step);
    if (made.below !== null) below.push(made.below);
  }
  if (goals.targetBytes === undefined) return finished(plan, steps, { below, context });
  const sized = new Map([...outcomes].filter(([trial]) => isSized(trial)));
  const found = await targeted(sized, {
    ...{ targetBytes: goals.targetBytes, floor },
    sizeWith: (changed) => bytesOf(withSteps(plan, new Map([...steps, ...changed]), context), context),
    ...{ alignment: alignmentOf(plan, context), signal: context.tools.signal },
  });
  for (const [planned, step] of found.steps) steps.set(planned, step);
  return finished(plan, steps, { below: [...below, ...found.below], context });
}

/** To what the output aligns tensors: as the input says where both are GGUFs. */
function alignmentOf({ container }: ConversionPlan, { model }: MeasuredContext): number {
  const said = container.takesFileTypes ? model.fact(ALIGNMENT_KEY) : undefined;
  return typeof said === 'number' ? said : DEFAULT_ALIGNMENT;
}

/** The steps whose types, or warnings, the output needs: of one part alone where no type follows from what is measured. */
function neededSteps(plan: ConversionPlan, { model, goals, output, part }: MeasuredContext): readonly PlannedStep[] {
  if (part === undefined || goals.targetBytes !== undefined || goals.floor?.fallback === true) return plan.steps;
  const layout = layOut(plan, model, output.file, output.inOrder);
  const files = filesOfPart(layout, plan, part);
  return plan.steps.filter((_, index) => files.includes(layout.places[index]?.[0]?.file ?? -1));
}

/** What is to be tried of each tensor that is encoded. */
function trialsOf(plan: ConversionPlan, context: MeasuredContext): readonly Trial[] {
  const { goals, search, fileType } = context;
  const names = new Set([...plan.steps.map(({ stored }) => stored.name), ...plan.dropped.map(({ name }) => name)]);
  const importance = importanceIn(search, plan.steps, names);
  const tools: LadderTools = { form: plan, search: { ...search, importance }, fileType, decodes: plan.decodes };
  const { floor, targetBytes } = goals;
  return neededSteps(plan, context).flatMap((planned): Trial[] => {
    const { stored, kept } = planned;
    const isSized = targetBytes !== undefined && isMovable(planned);
    if (kept || stored.codec === null || stored.elements === 0 || (floor === null && !isSized)) return [];
    const { coarser, finer } = ladderOf(planned, tools);
    const steps = isSized
      ? [...coarser, planned, ...finer]
      : floor?.fallback === true
        ? [planned, ...finer]
        : [planned];
    return [{ planned, tensor: stored, steps, isNeeded: !isSized && floor?.fallback !== true }];
  });
}

function measuredOutcomes(
  trials: readonly Trial[],
  { goals: { floor, targetBytes }, tools, told }: MeasuredContext,
): Promise<ReadonlyMap<Trial, readonly Outcome[]>> {
  let done = 0;
  return measured(trials, tools, {
    needsAll: targetBytes !== undefined,
    isEnough: (outcomes) => {
      const last = outcomes.at(-1);
      return targetBytes === undefined && floor !== null && last !== undefined && isAbove(floor, last);
    },
    told: (tensor) => {
      told(tensor, ++done, trials.length);
    },
  });
}

const bytesOf = (plan: ConversionPlan, { model, output }: MeasuredContext): number =>
  layOut(plan, model, output.file, output.inOrder).files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);

/** The plan, with what its metadata says of types. */
function withSteps(
  plan: ConversionPlan,
  changed: ReadonlyMap<PlannedStep, PlannedStep>,
  { goals, fileType }: Pick<MeasuredContext, 'goals' | 'fileType'>,
): ConversionPlan {
  const steps = plan.steps.map((step) => changed.get(step) ?? step);
  if (fileType === undefined) return { ...plan, steps };
  const isOther = goals.targetBytes !== undefined && plan.steps.some((step, index) => isRetyped(step, steps[index]));
  const said = [EFFORT_KEY, ...(isOther ? [FILE_TYPE_KEY] : [])];
  const facts = [
    ...plan.facts.filter(({ key }) => !said.includes(key)),
    ...(isOther ? [fileTypeFact(plan.steps, steps)] : []),
    ...effortFacts(steps),
  ];
  return { ...plan, steps, facts };
}

const labelOf = ({ planned: { target } }: PlannedStep): string => targetLabel(target);

const isRetyped = (before: PlannedStep, after: PlannedStep | undefined): boolean =>
  after !== undefined && labelOf(before) !== labelOf(after);

/** As llama.cpp guesses it where nobody says: the type of most of the tensors that could have become any. */
function fileTypeFact(planned: readonly PlannedStep[], steps: readonly PlannedStep[]): Fact {
  const counts = new Map<string, number>();
  for (const [index, step] of steps.entries()) {
    const before = planned[index];
    if (before === undefined || !isMovable(before)) continue;
    counts.set(labelOf(step), (counts.get(labelOf(step)) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return { key: FILE_TYPE_KEY, type: 'u32', value: idOf(most?.[0] ?? '') };
}

function finished(
  plan: ConversionPlan,
  changed: ReadonlyMap<PlannedStep, PlannedStep>,
  { below, context }: { readonly below: readonly BelowFloor[]; readonly context: MeasuredContext },
): ConversionPlan {
  const { floor } = context.goals;
  const order = new Map(plan.steps.map(({ stored }, index) => [stored, index]));
  const inOrder = [...below].sort((a, b) => (order.get(a.step.stored) ?? 0) - (order.get(b.step.stored) ?? 0));
  if (floor !== null) refuseBelow(floor, inOrder);
  const made = withSteps(plan, changed, context);
  const isWeighed = made.steps.some(({ importance }) => importance !== undefined);
  const warnings = plan.warnings.filter(({ code }) => !(isWeighed && code === 'importance_unused'));
  return { ...made, warnings: [...warnings, ...belowWarning(inOrder)] };
}
