import { isObject, jsonNumber, type Json, type JsonObject } from '../../formats/folder/json.js';

/** What transformers has of one `model_type`, as far as converting looks at it. */
export interface Kind {
  /** What a config.json that leaves it out means. */
  readonly defaults: JsonObject;
  /** Names that stand for others in a config.json of this kind. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly rules: readonly Rule[];
}

/**
 * Derives some values of a config from others, or checks them. False where transformers refuses the config: llama.cpp's converter
 * then takes config.json as it is, without any default.
 */
export type Rule = (config: Map<string, Json>) => boolean;

/** In the order of the first text of a `kind`. */
const COMMON = [
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'max_position_embeddings',
  'rope_theta',
  'pad_token_id',
  'tie_word_embeddings',
];

const WORDS: ReadonlyMap<string, Json> = new Map<string, Json>([
  ['null', null],
  ['true', true],
  ['false', false],
  ['[]', []],
]);

/** A kind whose default values stand in `common` in the order above, `-` for none, and in `more` as `name=value`. */
export const kind = (
  common: string,
  more: string,
  rules: readonly Rule[] = [],
  aliases: Readonly<Record<string, string>> = {},
): Kind => ({
  defaults: new Map([...commonDefaults(common), ...moreDefaults(more)]),
  aliases: new Map(Object.entries(aliases)),
  rules,
});

const commonDefaults = (common: string): readonly (readonly [string, Json])[] =>
  common.split(' ').flatMap((value, index) => {
    const name = COMMON[index];
    return name === undefined || value === '-' ? [] : [[name, valueOf(value)] as const];
  });

const moreDefaults = (more: string): readonly (readonly [string, Json])[] =>
  more.split(' ').flatMap((one) => {
    const [name = '', value] = one.split('=');
    return value === undefined ? [] : [[name, valueOf(value)] as const];
  });

function valueOf(word: string): Json {
  const value = WORDS.get(word);
  if (value !== undefined) return value;
  const number = Number(word);
  return Number.isNaN(number) ? word : jsonNumber(number);
}

/** The number in Python's eyes: `8.0` is a float, even where it is whole. */
export const isFloat = (value: Json | undefined): boolean => isNumber(value) && /[.eENI]/u.test(value.number);

/** A whole number that Python reads as an `int`, within those that JavaScript holds exactly. */
export function intIn(value: Json | undefined): number | undefined {
  if (!isNumber(value) || isFloat(value)) return undefined;
  const whole = Number(value.number);
  return Number.isSafeInteger(whole) ? whole : undefined;
}

export const isNumber = (value: Json | undefined): value is { readonly number: string } =>
  typeof value === 'object' && value !== null && !isObject(value) && 'number' in value;

export const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
