/** The options of `quantize` that say what a GGUF has of a model in the layout of transformers. */

import { InvalidArgumentError, Option } from 'commander';
import { nameIn } from '../../checks.js';
import { parseJson, type Json } from '../../formats/folder/json.js';
import type { KeyValue, QuantizeFileOptions } from '../../index.js';
import { KEY_VALUE_TYPES } from '../../options/key-values.js';

type Pairs = readonly (readonly [key: string, pair: KeyValue])[];

/** As commander gives them. */
export interface CheckpointOptions {
  readonly via?: 'F32' | 'F16' | 'BF16';
  readonly name?: string;
  readonly pre?: string;
  readonly kv?: Pairs;
  readonly overrideKv?: Pairs;
  /** False with `--no-chat-template`. */
  readonly chatTemplate: boolean;
}

const TYPES = ['F32', 'F16', 'BF16'] as const;

export const checkpointOptions = (): Option[] => [
  new Option(
    '--via <type>',
    'GGUF of a checkpoint: quantize as from its GGUF of this type (default: that of its weights)',
  )
    .choices(TYPES)
    .argParser((text) => text.toUpperCase()),
  new Option('--name <name>', 'GGUF of a checkpoint: general.name (default: what its files and its folder say)'),
  new Option('--pre <name>', "GGUF of a checkpoint: llama.cpp's name of its pre-tokenizer (default: found out)"),
  new Option(
    '--kv <key=type:value>',
    "GGUF of a checkpoint or a GGUF: a key-value pair, such as 'general.author=string:me' or 'a.key=i32[]:[1, 2]'; repeatable",
  ).argParser(collectKeyValue),
  new Option('--no-chat-template', 'GGUF of a checkpoint: leave out its chat template'),
];

/** What the library is told of them: it refuses what has no meaning. */
export const checkpointSettings = ({
  via,
  name,
  pre,
  kv,
  overrideKv,
  chatTemplate,
}: CheckpointOptions): Pick<QuantizeFileOptions, 'via' | 'name' | 'pre' | 'keyValues' | 'chatTemplate'> => ({
  ...{ via, name, pre, keyValues: overrideKv === undefined ? kv : [...(kv ?? []), ...overrideKv] },
  chatTemplate: chatTemplate ? undefined : false,
});

const FORM = "It must be a key, a type and a value, such as 'general.author=string:me'.";

/** One more pair for the list. What the value must be, the library says. */
export function collectKeyValue(text: string, earlier: Pairs | undefined): Pairs {
  const [, key, given, value] = /^([^=]+)=([^:]*):(.*)$/su.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError(FORM);
  const type = nameIn(KEY_VALUE_TYPES, given);
  if (type === undefined) {
    throw new InvalidArgumentError(`${JSON.stringify(given)} is no type; there are ${KEY_VALUE_TYPES.join(', ')}.`);
  }
  const read = type.endsWith('[]') ? arrayIn(value, type) : elementIn(value, type);
  return [...(earlier ?? []), [key, { type, value: read } as KeyValue]];
}

function arrayIn(text: string, type: string): readonly unknown[] {
  let values: Json;
  try {
    values = parseJson(text);
  } catch {
    throw new InvalidArgumentError(`${JSON.stringify(text)} is no array in JSON, such as '["a", "b"]' or '[1, 2]'.`);
  }
  if (!Array.isArray(values)) throw new InvalidArgumentError(`${JSON.stringify(text)} is JSON, but no array.`);
  return (values as readonly Json[]).map((value) => {
    if (typeof value !== 'object' || value === null || !('number' in value)) return value;
    return type === 'string[]' ? Number(value.number) : elementIn(value.number, type);
  });
}

const IS_WHOLE = /^[+-]?\d{1,40}$/u;
const IS_NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/iu;

/** A text in place of what it says where that is nothing of the type. */
function elementIn(text: string, type: string): string | number | bigint | boolean {
  const [element = ''] = type.split('[');
  if (element === 'string') return text;
  if (element === 'bool') return text === 'true' || (text === 'false' ? false : text);
  if (element.startsWith('f')) return IS_NUMBER.test(text) ? Number(text) : text;
  return IS_WHOLE.test(text) ? BigInt(text) : text;
}
