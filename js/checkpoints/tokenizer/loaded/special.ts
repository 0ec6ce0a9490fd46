import { isRecord } from '../../../containers/json.js';
import { addedToken, type AddedToken } from './added-tokens.js';
import { SPECIAL_NAMES, type TokenizerClass } from './classes.js';
import { itemsOf, member, textIn } from '../plain.js';

/** A special token, and how it is found in texts where a file says so. */
export interface SpecialToken {
  readonly content: string;
  readonly described: AddedToken | undefined;
}

/**
 * The special tokens of a tokenizer by their names in tokenizer_config.json, in the order of transformers.
 * `entries` is what files say, where null means that there is none; `described` is what is known of added tokens.
 */
export function specialTokensOf(
  entries: ReadonlyMap<string, unknown>,
  { tokens, found }: TokenizerClass,
  described: readonly AddedToken[],
): ReadonlyMap<string, readonly SpecialToken[]> {
  const byContent = new Map(described.map((token) => [token.content, token]));
  const usual = SPECIAL_NAMES.map((name): [string, readonly SpecialToken[]] => {
    const value = entries.has(name) ? entries.get(name) : tokens[name];
    const all = Array.isArray(value) ? itemsOf(value) : [value];
    return [name, all.flatMap((one) => specialToken(one, byContent, found?.[name]))];
  });
  return new Map([...usual, ...extraTokensIn(entries.get('extra_special_tokens'), byContent)]);
}

/** What a kind of model has besides, by names of its own, such as `image_token`. A list has no names: none of it counts. */
function extraTokensIn(
  value: unknown,
  byContent: ReadonlyMap<string, AddedToken>,
): readonly [string, readonly SpecialToken[]][] {
  if (!isRecord(value)) return [];
  return Object.entries(value).map(([name, one]) => [name, specialToken(one, byContent, undefined)]);
}

function specialToken(
  value: unknown,
  byContent: ReadonlyMap<string, AddedToken>,
  found: Partial<AddedToken> | undefined,
): readonly SpecialToken[] {
  const spelt = textIn(value);
  if (spelt !== undefined) {
    const otherwise = found === undefined ? undefined : addedToken(spelt, found);
    return [{ content: spelt, described: byContent.get(spelt) ?? otherwise }];
  }
  const content = textIn(member(value, 'content'));
  return content === undefined ? [] : [{ content, described: byContent.get(content) ?? addedToken(content, value) }];
}
