import { codecLabel, mostEffortOf, needsRows, traitsOf, weighs, EFFORTS, type Codec } from '../codecs/codec.js';
import { QuantizeError, quoted } from '../errors.js';
import type { Model } from '../models/model.js';
import { rowWeights } from '../rules/file-types.js';
import { WINDOW_WEIGHTS, type TranscodeOptions } from '../wasm/windows.js';
import { fittingImportance, type MatrixOrigin } from './importance-matrix.js';
import type { PlannedStep } from './report.js';

/**
 * How much each column of a tensor's rows counts, by the tensor's name in the input: as many numbers as a row has weights, or,
 * for stacked matrices such as experts, as many for each of them.
 */
export type Importance = ReadonlyMap<string, Float32Array>;

/** How an encoder is to search. */
export interface Search {
  readonly importance: Importance | null;
  /** Where a file gave the importance. */
  readonly matrix?: MatrixOrigin | null | undefined;
  /** Place in EFFORTS. */
  readonly effort: number;
}

/**
 * The same steps, with what their codecs take of it. Throws `invalid_option` for a name that no tensor has, for a number of
 * columns that rows have not, and where no codec of the output uses importance, or knows more effort: neither is ever left
 * out silently. So it does where a codec needs importance, and there is none. What a file gives may be for other tensors, too;
 * where it is for one of the model's, and does not fit, `shape_mismatch` is thrown.
 */
export function withImportance(
  steps: readonly PlannedStep[],
  { importance: given, matrix = null, effort }: Search,
  { tensors }: Pick<Model, 'tensors'>,
): readonly PlannedStep[] {
  const encoders = steps.map(encoderOf);
  const names = new Set(tensors.map(({ name }) => name));
  if (given !== null && matrix === null) checkNames(given, names);
  if (given !== null) checkWeighs(encoders, steps, { matrix, effort });
  const importance = importanceIn({ importance: given, matrix }, steps, names);
  if (effort > 0 && !encoders.some((one) => one !== null && mostEffortOf(one) > 0)) {
    throw unused(`effort ${String(EFFORTS[effort])}`, steps);
  }
  return steps.map((step, index) => {
    const encoder = encoders[index] ?? null;
    return encoder === null ? step : searching(step, encoder, { importance, effort });
  });
}

/**
 * Throws where no codec of the output uses importance. A file that gives some is for llama.cpp's types, which it is given with
 * whatever they are: a warning says it of these.
 */
function checkWeighs(
  encoders: readonly (Codec | null)[],
  steps: readonly PlannedStep[],
  { matrix, effort }: Required<Pick<Search, 'matrix' | 'effort'>>,
): void {
  const codecs = encoders.flatMap((one) => one ?? []);
  const able = codecs.find((one) => weighs(one, mostEffortOf(one)));
  if (codecs.some((one) => weighs(one, effort))) return;
  if (matrix !== null && (able === undefined || traitsOf(able).ggmlType !== null)) return;
  if (able === undefined) throw unused('importance', steps);
  const option = matrix === null ? 'importance' : 'imatrix';
  const enough = String(EFFORTS[traitsOf(able).weighsFrom]);
  const detail = `${option} has no effect on ${codecLabel(able)} with the effort ${String(EFFORTS[effort])}; give the effort ${enough}, too, or leave ${option} out`;
  throw new QuantizeError('invalid_option', { detail });
}

/** What a codec takes of the search that is asked for. */
function searchOf(
  { stored }: PlannedStep,
  encoder: Codec,
  { importance, effort }: Search,
): Pick<Searched, 'importance' | 'effort'> {
  const columns = weighs(encoder, effort) ? importance?.get(stored.name) : undefined;
  return { importance: columns, effort: Math.min(effort, mostEffortOf(encoder)) };
}

/** The step with another codec of blocks or levels, and what that takes of the search; null where it cannot be made so. */
export function withEncoder(step: PlannedStep, encoder: Codec, search: Search): PlannedStep | null {
  const planned = { ...step.planned, target: { kind: 'codec' as const, codec: encoder } };
  const made = searchOf(step, encoder, search);
  if (whyNotSearched(encoder, { ...planned, ...made }) !== null) return null;
  return { ...step, planned, ...made, kept: false };
}

/** The importance of the tensors of a plan that has been made, by the names of what is stored. */
export function importanceIn(
  { importance, matrix = null }: Pick<Search, 'importance' | 'matrix'>,
  steps: readonly PlannedStep[],
  names: ReadonlySet<string>,
): Importance | null {
  return importance === null || matrix === null ? importance : fittingImportance(importance, steps, matrix, names);
}

function searching(step: PlannedStep, encoder: Codec, search: Search): PlannedStep {
  const made = searchOf(step, encoder, search);
  const why = whyNotSearched(encoder, { ...step.planned, ...made });
  if (why === null) return { ...step, ...made };
  const { name } = step.stored;
  throw new QuantizeError('invalid_option', {
    layer: name,
    detail: `tensor ${quoted(name)} cannot be made so: ${why}`,
  });
}

/** Weights, and how their encoder is to search. */
export interface Searched {
  readonly shape: readonly number[];
  readonly elements: number;
  readonly importance: Float32Array | undefined;
  /** Place in EFFORTS. */
  readonly effort: number;
}

/** Why weights cannot be encoded so, with the way out, in a phrase; null when they can. */
export function whyNotSearched(codec: Codec, searched: Searched): string | null {
  const { shape, elements, importance, effort } = searched;
  // Who works across rows sums over them.
  const { acrossRows, needsImportance } = traitsOf(codec);
  const row = acrossRows ? (shape.at(-2) ?? 1) : rowWeights(shape);
  if (importance !== undefined) {
    const matrices = importance.length / row;
    const summed = acrossRows ? 'a column has' : 'a row has';
    // Those that are stacked in the tensor.
    const isStacked = !acrossRows && importance.length * (shape.at(-2) ?? 1) === elements;
    if (matrices !== 1 && !isStacked)
      return `its importance has ${importance.length} values, ${summed} ${row} weights; give one for each`;
    const bad = importance.findIndex((one) => !Number.isFinite(one) || one < 0);
    if (bad >= 0) return `value ${bad} of its importance is ${String(importance[bad])}; give finite ones from 0 on`;
  } else if (effort === 0 && needsImportance) {
    return `${codec.name} needs to know how much each column counts; give an importance matrix, more effort, or another type`;
  }
  if (row <= WINDOW_WEIGHTS || !needsRows(codec, searched)) return null;
  return `rows of ${row} weights are too long to be weighed; leave importance and effort out, or give another type`;
}

/** What the encoder of a stretch is told of the rows that it is of. */
export function rowOptions(
  { importance, shape, elements }: Omit<Searched, 'effort'>,
  { first, weights }: { readonly first: number; readonly weights: number },
): TranscodeOptions {
  const row = rowWeights(shape);
  const [firstRow, firstColumn] = [Math.floor(first / row), first % row];
  if (importance === undefined || importance.length === row) {
    return { rowWeights: row, firstRow, firstColumn, importance };
  }
  // Only those of the matrices that the stretch has rows of: all of them may take many megabytes.
  const matrixRows = elements / importance.length;
  const firstMatrix = Math.floor(firstRow / matrixRows);
  const endMatrix = Math.floor((first + Math.max(weights, 1) - 1) / row / matrixRows) + 1;
  return {
    ...{ rowWeights: row, firstColumn, matrixRows },
    firstRow: firstRow - firstMatrix * matrixRows,
    importance: importance.subarray(firstMatrix * row, endMatrix * row),
  };
}

/** What encodes the tensor; null where it is only copied. */
const encoderOf = ({ kept, planned: { target } }: PlannedStep): Codec | null =>
  kept || target.kind !== 'codec' ? null : target.codec;

function checkNames(importance: Importance, names: ReadonlySet<string>): void {
  const unknown = [...importance.keys()].find((name) => !names.has(name));
  if (unknown === undefined) return;
  const detail = `importance is given for ${quoted(unknown)}, but the model has no tensor of that name`;
  throw new QuantizeError('invalid_option', { layer: unknown, detail });
}

function unused(what: string, steps: readonly PlannedStep[]): QuantizeError {
  const codecs = steps.flatMap(({ kept, planned: { target } }) =>
    kept || target.kind !== 'codec' ? [] : [codecLabel(target.codec)],
  );
  const detail = `${what} has no meaning for ${[...new Set(codecs)].join(', ') || 'what is only copied'}; leave it out`;
  return new QuantizeError('invalid_option', { detail });
}
