import type { PlainKeyValue } from '../containers/gguf/plain-key-value.js';
import { QuantizeError, quoted } from '../errors.js';
import { sourceOf } from '../layouts/tensor.js';
import type { Model } from '../models/model.js';
import type { WrittenType } from '../rules/copied.js';
import type { AskedParts } from '../rules/language/parts.js';
import { COPY } from '../types.js';
import type { PlannedStep } from './report.js';

/** What is asked of a GGUF that becomes another one, besides its type. */
export interface AskedOfGguf {
  /** What is asked for parts of a language model; undefined where nothing is. */
  readonly parts: AskedParts | undefined;
  /** Layers that are left out, in ascending order. */
  readonly prunedLayers: readonly number[];
  /** Whether the output has as many files as the input, with the same tensors. */
  readonly keepSplit: boolean;
  /** Pairs that take the place of the input's. */
  readonly pairs: readonly PlainKeyValue[];
}

/** Throws `invalid_option` for what can be asked of GGUFs only, and is asked of another model. */
export function checkAsked(model: Model, type: WrittenType, { keepSplit }: AskedOfGguf): void {
  if (model.container === 'gguf') return;
  const what = type === COPY ? `type ${COPY}` : keepSplit ? 'keepSplit' : null;
  if (what === null) return;
  const detail = `${what} has no meaning, because ${quoted(model.name)} is no GGUF; give a type of files, or splitSize`;
  throw new QuantizeError('invalid_option', { detail });
}

/**
 * Where files end that have the tensors of the input's files; undefined for a single one. Of those that have no tensor left only
 * the first is written, which has the pairs.
 */
export function fileEndsOf(steps: readonly PlannedStep[], { sources }: Model): readonly number[] | undefined {
  if (sources.length === 1) return undefined;
  const places = new Map(sources.map((source, index) => [source, index]));
  const ends = sources.map(
    (_, file) => steps.filter(({ stored }) => (places.get(sourceOf(stored)) ?? 0) <= file).length,
  );
  return ends.filter((end, file) => file === 0 || end > (ends[file - 1] ?? 0));
}
