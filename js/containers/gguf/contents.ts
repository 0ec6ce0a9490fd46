/** The key-value pairs of an output: what is carried into it, what it has to say, and what layouts want to find again. */

import type { Carried, Fact, OutputContents } from '../container.js';
import { encodedPair, type GgufElementType } from './plain-key-value.js';
import { i32s, text, u32, withoutKeys, type GgufKeyValue } from './key-values.js';

/** The pairs of a GGUF, without those that number shards. */
export interface CarriedKeyValues extends Carried {
  readonly container: 'gguf';
  readonly keyValues: readonly GgufKeyValue[];
}

/** A GGUF may have a key of any name: texts of layouts get one that is nobody else's. */
const LAYOUT_PREFIX = 'arrowquant.layout.';

const isLayoutKey = ({ key }: GgufKeyValue): boolean => key.startsWith(LAYOUT_PREFIX);

const isOurs = (carried: Carried | null): carried is CarriedKeyValues => carried?.container === 'gguf';

/**
 * The pairs that are carried, with the facts in the place of those that have their keys. A text is a default, unless it
 * replaces: one that is carried stays, and one that is not comes first. Other facts stand behind everything, as llama.cpp
 * puts them: its file and ours are the same then.
 */
export function keyValuesOf({
  carried,
  facts,
  staleKeys,
}: Pick<OutputContents, 'carried' | 'facts' | 'staleKeys'>): readonly GgufKeyValue[] {
  const replaced = new Map(facts.flatMap((fact) => (isReplacing(fact) ? [[fact.key, pairOf(fact)] as const] : [])));
  const stale = new Set(staleKeys);
  const isOwn = (pair: GgufKeyValue): boolean => !isLayoutKey(pair) && !stale.has(pair.key);
  const own = isOurs(carried) ? carried.keyValues.filter(isOwn) : [];
  const pairs = own.map((pair) => replaced.get(pair.key) ?? pair);
  const keys = new Set(pairs.map(({ key }) => key));
  const defaults = facts.filter(({ type, key }) => type === 'text' && !keys.has(key)).map(pairOf);
  const set = facts.filter(({ type }) => type !== 'text').map(pairOf);
  const others = withoutKeys(
    [...defaults, ...pairs],
    set.map(({ key }) => key),
  );
  return [...others, ...set];
}

const isReplacing = (fact: Fact): boolean => fact.type === 'text' && fact.replaces === true;

function pairOf(fact: Fact): GgufKeyValue {
  switch (fact.type) {
    case 'text':
    case 'lastText':
      return text(fact.key, fact.value);
    case 'pair':
      return encodedPair({ key: fact.key, type: fact.element as GgufElementType, value: fact.value });
    case 'u32':
      return u32(fact.key, fact.value);
    case 'i32s':
      return i32s(fact.key, fact.value);
  }
}

/** What layouts say of the tensors of one file, as pairs. */
export const layoutPairs = (texts: ReadonlyMap<string, string>): readonly GgufKeyValue[] =>
  [...texts].map(([key, value]) => text(LAYOUT_PREFIX + key, value));

/** What layouts have said in a file. */
export function layoutTexts(keyValues: readonly GgufKeyValue[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const pair of keyValues.filter(isLayoutKey)) {
    const { key, type, value } = pair;
    if (type === 'string') texts.set(key.slice(LAYOUT_PREFIX.length), String(value));
  }
  return texts;
}
