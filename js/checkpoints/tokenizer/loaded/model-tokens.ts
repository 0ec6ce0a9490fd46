import { quoted } from '../../../containers/invalid-file.js';
import { isRecord } from '../../../containers/json.js';
import { isTokenId, itemsOf, type PlainFile } from '../plain.js';

/** The ids of a tokenizer.json's own tokens, by text. Throws `invalid_file`. */
export function modelTokens(file: PlainFile): Map<string, number> {
  const vocabulary = file.get('model', 'vocab');
  const pairs = Array.isArray(vocabulary) ? scoredTokens(file).map(({ text }, id) => [text, id] as const) : named(file);
  const ids = new Map<string, number>();
  const texts = new Map<number, string>();
  for (const [text, id] of pairs) {
    if (!isTokenId(id)) throw file.wrong(`the id of the token ${quoted(text)} is no whole number`);
    const other = texts.get(id);
    if (other !== undefined)
      throw file.wrong(`the tokens ${quoted(other)} and ${quoted(text)} have the same id, ${id}`);
    ids.set(text, id);
    texts.set(id, text);
  }
  return ids;
}

function named(file: PlainFile): readonly (readonly [string, unknown])[] {
  const vocabulary = file.get('model', 'vocab');
  if (!isRecord(vocabulary)) throw file.wrong('its model has no vocabulary');
  return Object.entries(vocabulary);
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
