import { codecLabel, traitsOf, type CodecTraits } from '../codecs/codec.js';
import { QuantizeError, quoted } from '../errors.js';
import type { Model } from '../models/model.js';
import { rowWeights } from '../rules/file-types.js';
import type { PlannedStep } from './report.js';

/** How much each column of a tensor's rows counts, by the tensor's name in the input. */
export type Importance = ReadonlyMap<string, Float32Array>;

/** How an encoder is to search. */
interface Search {
  readonly importance: Importance | null;
  readonly effort: number;
}

/**
 * The same steps, with what their codecs take of it. Throws `invalid_option` for a name that no tensor has, for another
 * number of columns than a row has, and where no codec of the output uses importance, or knows that much effort: neither
 * is ever left out silently.
 */
export function withImportance(
  steps: readonly PlannedStep[],
  { importance, effort }: Search,
  { tensors }: Pick<Model, 'tensors'>,
): readonly PlannedStep[] {
  if (importance === null && effort === 0) return steps;
  if (importance !== null) checkNames(importance, new Set(tensors.map(({ name }) => name)));
  const traits = steps.map(encoderOf);
  if (importance !== null && !traits.some((one) => one?.usesImportance === true)) throw unused('importance', steps);
  if (effort > 0 && !traits.some((one) => one !== null && effort < one.efforts)) {
    throw unused(`effort ${String(effort)}`, steps);
  }
  return steps.map((step, index) => {
    const encoder = traits[index] ?? null;
    if (encoder === null) return step;
    const columns = encoder.usesImportance ? importance?.get(step.stored.name) : undefined;
    if (columns !== undefined) checkColumns(columns, step);
    return { ...step, importance: columns, effort: Math.min(effort, encoder.efforts - 1) };
  });
}

/** What encodes the tensor; null where it is only copied. */
const encoderOf = ({ kept, planned: { target } }: PlannedStep): CodecTraits | null =>
  kept || target.kind !== 'codec' ? null : traitsOf(target.codec);

function checkNames(importance: Importance, names: ReadonlySet<string>): void {
  const unknown = [...importance.keys()].find((name) => !names.has(name));
  if (unknown === undefined) return;
  const detail = `importance is given for ${quoted(unknown)}, but the model has no tensor of that name`;
  throw new QuantizeError('invalid_option', { layer: unknown, detail });
}

function checkColumns(columns: Float32Array, { stored, planned }: PlannedStep): void {
  const row = rowWeights(planned.shape);
  const bad = columns.findIndex((one) => !Number.isFinite(one) || one < 0);
  if (columns.length === row && bad < 0) return;
  const why =
    columns.length === row
      ? `value ${bad} is ${String(columns[bad])}, must be finite and not negative`
      : `it has ${columns.length} values, a row has ${row} weights`;
  const detail = `the importance of ${quoted(stored.name)} cannot be used: ${why}`;
  throw new QuantizeError('invalid_option', { layer: stored.name, detail });
}

function unused(what: string, steps: readonly PlannedStep[]): QuantizeError {
  const codecs = steps.flatMap(({ kept, planned: { target } }) =>
    kept || target.kind !== 'codec' ? [] : [codecLabel(target.codec)],
  );
  const detail = `${what} has no meaning for ${[...new Set(codecs)].join(', ') || 'what is only copied'}; leave it out`;
  return new QuantizeError('invalid_option', { detail });
}
