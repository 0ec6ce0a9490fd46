import { quoted } from '../../../containers/invalid-file.js';
import { isTokenId, itemsOf, type PlainFile } from '../plain.js';

/** The ids of a tokenizer.json's own tokens, by text. Throws `invalid_file`. */
export function modelTokens(file: PlainFile): Map<string, number> {
  const vocabulary = file.get('model', 'vocab');
  const pairs = Array.isArray(vocabulary) ? scored(file) : named(file);
  const ids = new Map<string, number>();
  for (const [text, id] of pairs) {
    if (!isTokenId(id)) throw file.wrong(`the id of the token ${quoted(text)} is no whole number`);
    ids.set(text, id);
  }
  refuseSameIds(file, ids);
  return ids;
}

function refuseSameIds(file: PlainFile, ids: ReadonlyMap<string, number>): void {
  // Published ids leave no gaps: a set of all of them would take more than the ids themselves.
  const near = new Uint8Array(ids.size);
  const far = new Set<number>();
  for (const [text, id] of ids) {
    if (near[id] === 1 || far.has(id)) {
      const [other = ''] = [...ids].find(([, one]) => one === id) ?? [];
      throw file.wrong(`the tokens ${quoted(other)} and ${quoted(text)} have the same id, ${id}`);
    }
    if (id < near.length) near[id] = 1;
    else far.add(id);
  }
}

type Named = readonly [text: string, id: unknown];

function* scored(file: PlainFile): Iterable<Named> {
  for (const [id, { text }] of scoredTokens(file).entries()) yield [text, id];
}

function named(file: PlainFile): Iterable<Named> {
  if (file.vocabulary === null) throw file.wrong('its model has no vocabulary');
  return file.vocabulary;
}

export interface ScoredToken {
  readonly text: string;
  readonly score: number;
}

/** The tokens of a model of the kind Unigram, by id. Throws `invalid_file`. */
export function scoredTokens(file: PlainFile): readonly ScoredToken[] {
  return itemsOf(file.get('model', 'vocab')).map((pair, id) => {
    const [text, score] = itemsOf(pair);
    if (typeof text !== 'string' || typeof score !== 'number')
      throw file.wrong(`token ${id} is no pair of text and score`);
    return { text, score };
  });
}
