/** The types that lose least for a size. */

import { QuantizeError } from '../../errors.js';
import { Pace } from '../../io/pace.js';
import { targetBytes, targetLabel } from '../../layouts/tensor.js';
import type { Floor } from '../../plan/floor.js';
import type { PlannedStep } from '../../plan/report.js';
import { assigned, type Choice } from './assign.js';
import type { BelowFloor } from './context.js';
import { isAbove, floored } from './floor.js';
import type { Outcome, Trial } from './measure.js';

/** From this turn on each takes twice as much more away as the one before, so that there are never many. */
const PATIENT_TURNS = 8;

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
  /** To what the ends of tensors are aligned, in bytes: an estimate, that makes for fewer turns. */
  readonly alignment: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * By planned step, what the trials' tensors become. The output is never larger than `targetBytes`, and loses no more than the plan
 * where that is no larger either. Rejects with `invalid_option` where nothing is small enough, and with `aborted`. The event loop has
 * its turn before each look at the size.
 */
export async function targeted(
  measured: ReadonlyMap<Trial, readonly Outcome[]>,
  sized: Sized,
): Promise<{ readonly steps: ReadonlyMap<PlannedStep, PlannedStep>; readonly below: readonly BelowFloor[] }> {
  const below: BelowFloor[] = [];
  const tensors = [...measured].map(([trial, outcomes]): Choices => {
    const { allowed, missed } = allowedOf(outcomes, sized.floor);
    if (missed !== null) below.push(missed);
    const planned = allowed.findIndex(({ step }) => step === trial.planned);
    return { trial, outcomes: allowed, planned, sizes: allowed.map((one) => sizeOf(one, sized.alignment)) };
  });
  const stepsOf = (places: readonly number[]): ReadonlyMap<PlannedStep, PlannedStep> =>
    new Map(
      tensors.map(({ trial, outcomes }, index) => [trial.planned, chosenStep(trial, outcomes[places[index] ?? 0])]),
    );
  const pace = new Pace(sized.signal);
  const bytesOf = async (places: readonly number[]): Promise<number> => {
    await pace.turn();
    return sized.sizeWith(stepsOf(places));
  };
  return { steps: stepsOf(await bestOf(tensors, sized, bytesOf)), below };
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

const sizeOf = ({ step, relativeError }: Outcome, alignment: number): Choice => ({
  bytes: Math.ceil(targetBytes(step.planned.elements, step.planned.target) / alignment) * alignment,
  error: relativeError,
});

function chosenStep({ planned }: Trial, outcome: Outcome | undefined): PlannedStep {
  if (outcome === undefined || outcome.step === planned) return planned;
  const [to, from] = [outcome.step, planned].map(({ planned: { target } }) => targetLabel(target));
  return { ...outcome.step, rule: `targetBytes: ${String(to)} instead of ${String(from)}` };
}

async function bestOf(
  tensors: readonly Choices[],
  sized: Sized,
  bytesOf: (places: readonly number[]) => Promise<number>,
): Promise<readonly number[]> {
  const { targetBytes: most, floor } = sized;
  const sizes = tensors.map((one) => one.sizes);
  const smallest = assigned(sizes, 0);
  const least = await bytesOf(smallest);
  if (least > most) throw tooSmall(most, least, floor !== null);
  const data = dataBytes(tensors, smallest);
  let room = most - least;
  let places = assigned(sizes, room);
  // Headers may be longer, and ends less aligned, than with the smallest types.
  for (let turn = 0; ; ++turn) {
    const over = (await bytesOf(places)) - most;
    if (over <= 0) break;
    // Room that nobody has used is not what is missing: each turn takes back an upgrade.
    room = Math.min(room, dataBytes(tensors, places) - data) - over * 2 ** Math.max(0, turn - PATIENT_TURNS);
    places = room < 0 ? smallest : assigned(sizes, room);
  }
  const asPlanned = tensors.map(({ planned }) => planned);
  const isPossible = !asPlanned.includes(-1) && errorOf(tensors, asPlanned) < errorOf(tensors, places);
  return isPossible && (await bytesOf(asPlanned)) <= most ? asPlanned : places;
}

const dataBytes = (tensors: readonly Choices[], places: readonly number[]): number =>
  tensors.reduce((sum, { sizes }, index) => sum + (sizes[places[index] ?? 0]?.bytes ?? 0), 0);

const errorOf = (tensors: readonly Choices[], places: readonly number[]): number =>
  tensors.reduce((sum, { sizes }, index) => sum + (sizes[places[index] ?? 0]?.error ?? 0), 0);

function tooSmall(most: number, least: number, hasFloor: boolean): QuantizeError {
  const why = hasFloor ? 'with that minCosine the smallest possible' : 'the smallest possible';
  const advice = hasFloor ? 'give that, or a lower minCosine' : 'give that, or leave tensors out by rules';
  const detail = `targetBytes is ${most}, but ${why} output of this model has ${least} bytes; ${advice}`;
  return new QuantizeError('invalid_option', { detail });
}
