import type { Checkpoint } from '../../checkpoint.js';
import { addedToken, addedTokensIn, decoderTokensIn, Vocabulary, type AddedToken } from './added-tokens.js';
import { tokenizerClass, type TokenizerClass } from './classes.js';
import { modelTokens } from './model-tokens.js';
import { olderTokenizer } from './older.js';
import { itemsOf, textIn, type PlainFile } from '../plain.js';
import { specialTokensOf, type SpecialToken } from './special.js';

/** A tokenizer as transformers 4.57.6, which llama.cpp's converter uses, loads it from a folder. */
export interface LoadedTokenizer {
  readonly file: PlainFile;
  readonly config: PlainFile | null;
  readonly vocabulary: Vocabulary;
  readonly class: TokenizerClass;
  /** Texts of special tokens by their names in tokenizer_config.json. */
  readonly special: ReadonlyMap<string, readonly SpecialToken[]>;
  /** Whether decoded text loses spaces before full stops and the like. */
  readonly cleansSpaces: boolean;
}

/** Null without tokenizer.json and what it can be made of. Rejects with `invalid_file`. */
export async function loadTokenizer(checkpoint: Checkpoint): Promise<LoadedTokenizer | null> {
  const { files } = checkpoint;
  const config = await files.plain('tokenizer_config.json');
  const model = await files.plain('config.json');
  const kind = tokenizerClass(
    textIn(config?.get('tokenizer_class')) ?? textIn(model?.get('tokenizer_class')),
    textIn(model?.get('model_type')),
  );
  const entries = await specialEntries(checkpoint, config);
  const file = (await files.plain('tokenizer.json')) ?? (await olderTokenizer(files, kind, config, entries));
  if (file === null) return null;
  const vocabulary = new Vocabulary(modelTokens(file));
  vocabulary.add(addedTokensIn(file));
  const described = await describedTokens(checkpoint, file, config, entries);
  const padding = file.get('padding', 'pad_token');
  if (!entries.has('pad_token') && kind.tokens['pad_token'] === undefined) entries.set('pad_token', padding);
  const special = specialTokensOf(entries, kind, described);
  addMissing(vocabulary, described, [...special.values()].flat());
  return {
    file,
    config,
    vocabulary,
    class: kind,
    special,
    cleansSpaces: config?.get('clean_up_tokenization_spaces') === true,
  };
}

/**
 * What files say of added tokens, in the order of their ids. Old folders have no `added_tokens_decoder`, but added_tokens.json;
 * tokenizer.json goes before that.
 */
async function describedTokens(
  { files }: Checkpoint,
  file: PlainFile,
  config: PlainFile | null,
  entries: ReadonlyMap<string, unknown>,
): Promise<readonly AddedToken[]> {
  if (config?.has('added_tokens_decoder') === true) return decoderTokensIn(config);
  const byId = new Map<unknown, AddedToken>();
  const more = await files.plain('added_tokens.json');
  const named = [...specialTokensOf(entries, { tokens: {} }, []).values()].flat().map(({ content }) => content);
  for (const [content, id] of Object.entries(more?.values ?? {}))
    byId.set(id, addedToken(content, { special: named.includes(content) }));
  for (const token of addedTokensIn(file)) byId.set(token.id, token);
  return [...byId].sort(([one], [other]) => Number(one) - Number(other)).map(([, token]) => token);
}

/** Special tokens by name: those of tokenizer_config.json; in old folders special_tokens_map.json goes before it. */
async function specialEntries({ files }: Checkpoint, config: PlainFile | null): Promise<Map<string, unknown>> {
  const entries = new Map(Object.entries(config?.values ?? {}));
  if (entries.has('added_tokens_decoder')) return entries;
  const map = await files.plain('special_tokens_map.json');
  for (const [name, value] of Object.entries(map?.values ?? {})) {
    const isList = name === 'additional_special_tokens' && Array.isArray(value);
    entries.set(name, isList ? [...itemsOf(entries.get(name)), ...itemsOf(value)] : value);
  }
  return entries;
}

/** Tokens that tokenizer.json has not, or has otherwise, are added in this order. */
function addMissing(vocabulary: Vocabulary, described: readonly AddedToken[], special: readonly SpecialToken[]): void {
  const known = new Map([...vocabulary.added.values()].map((token) => [token.content, token]));
  const isSpecial = new Set(special.map(({ content }) => content));
  const missing = described.filter((token) => !isSame(known.get(token.content), token));
  const spelt = new Set([...known.keys(), ...missing.map(({ content }) => content)]);
  for (const { content, described: token } of special) {
    if (token === undefined && !spelt.has(content)) missing.push(addedToken(content, { special: true }));
    else if (token !== undefined && !missing.some((one) => isSame(one, token))) missing.push(token);
  }
  vocabulary.add(missing.map((token) => (isSpecial.has(token.content) ? { ...token, special: true } : token)));
}

const isSame = (one: AddedToken | undefined, other: AddedToken): boolean =>
  one?.content === other.content &&
  one.special === other.special &&
  one.normalized === other.normalized &&
  one.lstrip === other.lstrip &&
  one.rstrip === other.rstrip &&
  one.singleWord === other.singleWord;
