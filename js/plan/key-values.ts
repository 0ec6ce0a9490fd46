/** The key-value pairs of a GGUF that becomes another one, where callers want other ones, or layers are left out. */

import type { Carried, Fact } from '../containers/container.js';
import type { CarriedKeyValues } from '../containers/gguf/contents.js';
import { plainValue } from '../containers/gguf/gguf.js';
import { findKeyValue, type GgufKeyValue } from '../containers/gguf/key-values.js';
import { encodedPair, type PlainKeyValue } from '../containers/gguf/plain-key-value.js';
import { QuantizeError, quoted } from '../errors.js';
import type { Model } from '../models/model.js';
import { blockOf } from '../rules/language/tensors.js';
import type { PlannedStep } from './report.js';

/** Null for models that carry no pairs. */
export const pairsOf = ({ carried }: Pick<Model, 'carried'>): readonly GgufKeyValue[] | null =>
  carried?.container === 'gguf' ? (carried as CarriedKeyValues).keyValues : null;

/**
 * The model as if its file had said what the caller wants it to say: what becomes of tensors goes by that, too. Throws
 * `invalid_option` where a pair would get another type, or an array another length: programs would not take it.
 */
export function withKeyValues(model: Model, given: readonly PlainKeyValue[]): Model {
  if (given.length === 0) return model;
  const pairs = pairsOf(model) ?? [];
  const encoded = new Map(given.map((pair) => [pair.key, encodedPair(pair)]));
  for (const pair of encoded.values()) checkSameKind(pair, findKeyValue(pairs, pair.key));
  return { ...model, fact: (key) => plainFact(encoded.get(key)) ?? model.fact(key) };
}

const plainFact = (pair: GgufKeyValue | undefined): ReturnType<Model['fact']> =>
  pair === undefined ? undefined : plainValue(pair.value);

function checkSameKind(given: GgufKeyValue, before: GgufKeyValue | undefined): void {
  if (before === undefined || (typeOf(given) === typeOf(before) && given.array?.length === before.array?.length))
    return;
  const [is, was] = [given, before].map((pair) =>
    pair.array === null ? typeOf(pair) : `${typeOf(pair)} of ${pair.array.length}`,
  );
  throw new QuantizeError('invalid_option', {
    detail: `keyValues gives ${quoted(given.key)} the type ${is ?? ''}, but it is ${was ?? ''}; give one of that type`,
  });
}

const typeOf = ({ type, array }: GgufKeyValue): string => (array === null ? type : `${array.type}[]`);

/** In the order in which the caller gives them, behind all others. */
export const givenFacts = (given: readonly PlainKeyValue[]): readonly Fact[] =>
  given.map(({ key, type, value }) => ({ key, type: 'pair', element: type, value }));

/** What a model says of the number of its layers when some are left out. */
export function layerFacts(
  architecture: string | null,
  pruned: readonly number[],
  steps: readonly PlannedStep[],
): readonly Fact[] {
  if (pruned.length === 0 || architecture === null) return [];
  const layers = steps.reduce((most, { planned: { name } }) => Math.max(most, blockOf(name) + 1), 0);
  return [{ key: `${architecture}.block_count`, type: 'u32', value: layers }];
}

/** What is carried, its arrays of one value for each layer without those of the layers that are left out. */
export function carriedWithout(model: Model, architecture: string | null, pruned: readonly number[]): Carried | null {
  const pairs = pairsOf(model);
  if (pairs === null || architecture === null || pruned.length === 0) return model.carried;
  const layers = model.fact(`${architecture}.block_count`);
  const left = new Set(pruned);
  const shortened = (pair: GgufKeyValue): GgufKeyValue => {
    const { key, array } = pair;
    if (array === null || array.length !== layers || !key.startsWith(`${architecture}.`) || array.type === 'array')
      return pair;
    const value = (pair.value as readonly GgufKeyValue['value'][]).filter((_, layer) => !left.has(layer));
    return encodedPair({ key, type: array.type, value: value as PlainKeyValue['value'] & readonly unknown[] });
  };
  const carried: CarriedKeyValues = { container: 'gguf', keyValues: pairs.map(shortened) };
  return carried;
}
