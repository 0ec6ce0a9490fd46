/** No tensor worse than a floor: what is below becomes finer, or is told. */

import { QuantizeError, quoted } from '../../errors.js';
import { sourceOf, targetLabel } from '../../layouts/tensor.js';
import { reaches, type Floor } from '../../plan/floor.js';
import type { FileWarning, PlannedStep } from '../../plan/report.js';
import type { BelowFloor } from './context.js';
import { bitsOf, isMovable } from './ladder.js';
import type { Outcome } from './measure.js';

/** So many tensors stand for all of them. */
const SHOWN = 3;
const SHOWN_DIGITS = 5;

/** Whether what a step loses is no more than the floor for its bits allows. */
export const isAbove = (floor: Floor, { step, cosine, failure }: Outcome): boolean =>
  failure === undefined && reaches(floor, bitsOf(step), cosine);

/**
 * What becomes of a tensor that has been tried until one of its steps was above the floor, or none was left. Throws the first
 * failure where none can be made.
 */
export function floored(
  floor: Floor,
  outcomes: readonly Outcome[],
): { readonly step: PlannedStep; readonly below: BelowFloor | null } {
  const reached = outcomes.findIndex((one) => isAbove(floor, one));
  const [planned] = outcomes;
  const chosen = reached >= 0 ? outcomes[reached] : outcomes.filter(({ failure }) => failure === undefined).at(-1);
  if (planned === undefined) throw new RangeError('a tensor has not been measured');
  if (chosen === undefined) throw planned.failure ?? new RangeError('a tensor has no step that can be made');
  const { step, cosine } = chosen;
  const before = outcomes.slice(0, outcomes.indexOf(chosen));
  const rule = before.length === 0 ? step.rule : raisedBecause(floor, before);
  const below = reached >= 0 ? null : { step, cosine, least: floor.cosineFor(bitsOf(step)) };
  return { step: { ...step, rule }, below };
}

/** `minCosine 0.99: Q4_K gave 0.97123`. A type that cannot hold the weights gave a code instead. */
function raisedBecause(floor: Floor, before: readonly Outcome[]): string {
  const [first] = before;
  const least = first === undefined ? -1 : floor.cosineFor(bitsOf(first.step));
  const tried = before.map(({ step, cosine, failure }, index) => {
    const gave = `${index === 0 ? ' gave' : ''} ${failure?.code ?? shownCosine(cosine)}`;
    return `${targetLabel(step.planned.target)}${gave}`;
  });
  // Below 0: none.
  return `${least < 0 ? 'fallback' : `minCosine ${least}`}: ${tried.join(', ')}`;
}

/** Rounded down, so that what is below a floor does not look like it. */
export const shownCosine = (cosine: number | null): string =>
  cosine === null ? 'none' : String(Math.floor(cosine * 10 ** SHOWN_DIGITS) / 10 ** SHOWN_DIGITS);

/** Throws `below_min_cosine` for the first of them. */
export function refuseBelow(floor: Floor, [first]: readonly BelowFloor[]): void {
  if (first === undefined || !floor.failFast) return;
  const { step, cosine, least } = first;
  const advice =
    step.isAsked === true
      ? `${step.rule ?? 'a rule'} says so, leave that out or have it give a finer type`
      : floor.fallback || !isMovable(step)
        ? 'give a lower minCosine, or a finer type'
        : 'give fallback, too, a finer type, or a lower minCosine';
  const detail = `${targetLabel(step.planned.target)} gives a cosine of ${shownCosine(cosine)}, the least is ${least}; ${advice}`;
  const { name } = step.stored;
  throw new QuantizeError('below_min_cosine', { file: sourceOf(step.stored).name, layer: name, detail });
}

export function belowWarning(below: readonly BelowFloor[]): readonly FileWarning[] {
  if (below.length === 0) return [];
  const shown = below.slice(0, SHOWN).map(({ step, cosine, least }) => {
    const why = step.isAsked === true && step.rule !== null ? `, ${step.rule}` : '';
    return `${quoted(step.stored.name)} (${targetLabel(step.planned.target)}${why}: ${shownCosine(cosine)}, at least ${least} wanted)`;
  });
  const others = below.length - shown.length;
  const are = below.length === 1 ? '1 tensor is' : `${below.length} tensors are`;
  const message = `${are} below minCosine: ${shown.join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
  return [{ code: 'below_min_cosine', message }];
}
