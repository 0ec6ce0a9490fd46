/** The types that lose least for a size. */

import { QuantizeError } from '../../errors.js';
import { targetBytes, targetLabel } from '../../layouts/tensor.js';
import type { Floor } from '../../plan/floor.js';
import type { PlannedStep } from '../../plan/report.js';
import { assigned, type Choice } from './assign.js';
import type { BelowFloor } from './context.js';
import { isAbove, floored } from './floor.js';
import type { Outcome, Trial } from './measure.js';

/** More than one tensor's end is aligned to in any usual GGUF. */
const ALIGNMENT = 32;

/** A tensor, what it may become, and which of these was planned where nothing is measured. */
interface Choices {
  readonly trial: Trial;
  readonly outcomes: readonly Outcome[];
  readonly sizes: readonly Choice[];
  readonly planned: number;
}

/** What the output is made of, and how large that is. */
export interface Sized {
  readonly targetBytes: number;
  readonly floor: Floor | null;
  /** Bytes of all files of an output of these steps, in place of those that were planned. */
  readonly sizeWith: (changed: ReadonlyMap<PlannedStep, PlannedStep>) => number;
}

/**
 * By planned step, what the trials' tensors become. The output is never larger than `targetBytes`, and loses no more than the plan
 * where that is no larger either. Throws `invalid_option` where nothing is small enough.
 */
export function targeted(
  measured: ReadonlyMap<Trial, readonly Outcome[]>,
  sized: Sized,
): { readonly steps: ReadonlyMap<PlannedStep, PlannedStep>; readonly below: readonly BelowFloor[] } {
  const below: BelowFloor[] = [];
  const tensors = [...measured].map(([trial, outcomes]): Choices => {
    const { allowed, missed } = allowedOf(outcomes, sized.floor);
    if (missed !== null) below.push(missed);
    const planned = allowed.findIndex(({ step }) => step === trial.planned);
    return { trial, outcomes: allowed, planned, sizes: allowed.map(sizeOf) };
  });
  const stepsOf = (places: readonly number[]): ReadonlyMap<PlannedStep, PlannedStep> =>
    new Map(
      tensors.map(({ trial, outcomes }, index) => [trial.planned, chosenStep(trial, outcomes[places[index] ?? 0])]),
    );
  return { steps: stepsOf(bestOf(tensors, sized, (places) => sized.sizeWith(stepsOf(places)))), below };
}

/** Those that can be made, and are above the floor; the finest of them where none is. */
function allowedOf(
  outcomes: readonly Outcome[],
  floor: Floor | null,
): { readonly allowed: readonly Outcome[]; readonly missed: BelowFloor | null } {
  const made = outcomes.filter(({ failure }) => failure === undefined);
  const failed = outcomes.find(({ failure }) => failure !== undefined)?.failure;
  if (made.length === 0 && failed !== undefined) throw failed;
  const allowed = floor === null ? made : made.filter((one) => isAbove(floor, one));
  if (floor === null || allowed.length > 0) return { allowed, missed: null };
  return { allowed: made.slice(-1), missed: floored(floor, made).below };
}

const sizeOf = ({ step, relativeError }: Outcome): Choice => ({
  bytes: Math.ceil(targetBytes(step.planned.elements, step.planned.target) / ALIGNMENT) * ALIGNMENT,
  error: relativeError,
});

function chosenStep({ planned }: Trial, outcome: Outcome | undefined): PlannedStep {
  if (outcome === undefined || outcome.step === planned) return planned;
  const [to, from] = [outcome.step, planned].map(({ planned: { target } }) => targetLabel(target));
  return { ...outcome.step, rule: `targetBytes: ${String(to)} instead of ${String(from)}` };
}

function bestOf(
  tensors: readonly Choices[],
  sized: Sized,
  bytesOf: (places: readonly number[]) => number,
): readonly number[] {
  const { targetBytes: most, floor } = sized;
  const sizes = tensors.map((one) => one.sizes);
  const smallest = assigned(sizes, 0);
  const least = bytesOf(smallest);
  if (least > most) throw tooSmall(most, least, floor !== null);
  let room = most - least;
  let places = assigned(sizes, room);
  // Headers may be longer, and ends less aligned, than with the smallest types.
  for (let bytes = bytesOf(places); bytes > most; bytes = bytesOf(places)) {
    room -= bytes - most;
    places = room < 0 ? smallest : assigned(sizes, room);
  }
  const asPlanned = tensors.map(({ planned }) => planned);
  const isPossible = !asPlanned.includes(-1) && errorOf(tensors, asPlanned) < errorOf(tensors, places);
  return isPossible && bytesOf(asPlanned) <= most ? asPlanned : places;
}

const errorOf = (tensors: readonly Choices[], places: readonly number[]): number =>
  tensors.reduce((sum, { sizes }, index) => sum + (sizes[places[index] ?? 0]?.error ?? 0), 0);

function tooSmall(most: number, least: number, hasFloor: boolean): QuantizeError {
  const why = hasFloor ? 'with that minCosine the smallest possible' : 'the smallest possible';
  const advice = hasFloor ? 'give that, or a lower minCosine' : 'give that, or leave tensors out by rules';
  const detail = `targetBytes is ${most}, but ${why} output of this model has ${least} bytes; ${advice}`;
  return new QuantizeError('invalid_option', { detail });
}
