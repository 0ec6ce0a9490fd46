import { isRecord } from '../../../containers/json.js';
import { itemsOf, member, membersOf, textIn, type Members } from '../plain.js';

const BYTE = /^<0x[0-9A-F]{2}>$/u;

/**
 * A model of byte pairs with only those merges and tokens that can have a part in cutting `words`, which makes the same ids of
 * them: a merge needs its two sides side by side in a word. Merges keep their order, and tokens their ids. `postProcessor` is
 * what may name tokens besides. Other models stay as they are.
 */
export function reducedModel(model: unknown, words: readonly string[], postProcessor: unknown): unknown {
  const [vocabulary, all] = [tokensIn(member(model, 'vocab')), member(model, 'merges')];
  if (!isRecord(model) || model['type'] !== 'BPE' || vocabulary === undefined || !isList(all)) return whole(model);
  if (textIn(model['continuing_subword_suffix']) !== undefined) return whole(model);
  const text = words.map((word) => word + (textIn(model['end_of_word_suffix']) ?? '')).join(' ');
  const merges = reducedMerges(all, text);
  const named = new Set([model['unk_token'], ...textsIn(postProcessor)]);
  const isKept = (token: string): boolean => text.includes(token) || BYTE.test(token) || named.has(token);
  return merges === undefined ? whole(model) : { ...model, vocab: reducedVocabulary(vocabulary, isKept), merges };
}

const isList = (value: unknown): value is Iterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.iterator in value;

/** Of an object, or of pairs that stand for one; undefined for anything else. */
function tokensIn(vocabulary: unknown): Members | undefined {
  if (Array.isArray(vocabulary)) return undefined;
  if (isList(vocabulary)) return vocabulary as Members;
  return isRecord(vocabulary) ? membersOf(vocabulary) : undefined;
}

/** With tokens and merges as the library needs them. */
function whole(model: unknown): unknown {
  const [vocabulary, merges] = [member(model, 'vocab'), member(model, 'merges')];
  const large = {
    ...(isList(vocabulary) && !Array.isArray(vocabulary) && { vocab: Object.fromEntries(vocabulary as Members) }),
    ...(isList(merges) && !Array.isArray(merges) && { merges: [...merges] }),
  };
  return isRecord(model) && Object.keys(large).length > 0 ? { ...model, ...large } : model;
}

/** As pairs; undefined where they should be texts and one is none. */
function reducedMerges(merges: Iterable<unknown>, text: string): readonly (readonly unknown[])[] | undefined {
  let isSpelt: boolean | undefined;
  const kept: (readonly unknown[])[] = [];
  for (const merge of merges) {
    isSpelt ??= !Array.isArray(merge);
    if (isSpelt && typeof merge !== 'string') return undefined;
    const sides = isSpelt ? String(merge).split(' ', 2) : itemsOf(merge);
    const [left, right] = sides;
    if (sides.length !== 2 || typeof left !== 'string' || typeof right !== 'string') continue;
    if (text.includes(left) && text.includes(right) && text.includes(left + right)) kept.push([left, right]);
  }
  return kept;
}

function reducedVocabulary(vocabulary: Members, isKept: (token: string) => boolean): Readonly<Record<string, unknown>> {
  const kept = new Map<string, unknown>();
  for (const [token, id] of vocabulary) if (isKept(token)) kept.set(token, id);
  return Object.fromEntries(kept);
}

/** All texts in a value. */
function textsIn(value: unknown): ReadonlySet<unknown> {
  const texts = new Set<unknown>();
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === 'string') texts.add(one);
    for (const item of isRecord(one) ? Object.values(one) : itemsOf(one)) left.push(item);
  }
  return texts;
}
