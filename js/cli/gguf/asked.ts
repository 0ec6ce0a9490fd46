/** The options of `quantize` that say what else a GGUF is to be, as llama-quantize has them. */

import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import { nameIn } from '../../checks.js';
import { TENSOR_TYPES, type KeyValue, type QuantizeFileOptions, type TypeRule } from '../../index.js';
import { upperCase } from '../options.js';

type Pairs = readonly (readonly [key: string, pair: KeyValue])[];
type TensorType = NonNullable<QuantizeFileOptions['outputType']>;

/** As commander gives them. */
export interface AskedOptions {
  readonly leaveOutput?: boolean;
  readonly outputType?: TensorType;
  readonly embeddingType?: TensorType;
  readonly tensorTypeFile?: readonly TypeRule[];
  readonly keepSplit?: boolean;
  readonly overrideKv?: Pairs;
  readonly pruneLayers?: readonly number[];
}

const typeOption = (flags: string, description: string): Option =>
  new Option(flags, description).choices(TENSOR_TYPES).argParser((text) => upperCase(TENSOR_TYPES, text));

export const askedOptions = (): Option[] => [
  new Option('--leave-output', 'language model: the output matrix stays as it is'),
  typeOption('--output-type <type>', 'language model: what the output matrix becomes (default: what --type says)'),
  typeOption('--embedding-type <type>', 'language model: what the token embeddings become (default: what --type says)'),
  new Option(
    '--tensor-type-file <file>',
    'rules as --rule has them, after those of --rule: pattern=type, separated by white space; patterns are read in lower case',
  ).argParser(readTypeRules),
  new Option('--keep-split', 'GGUF of a GGUF in shards: as many shards, each with the tensors of one'),
  new Option(
    '--override-kv <key=type:value>',
    'GGUF of a GGUF: a key-value pair in the words of llama-quantize; int is u32, float f32, or bool, or str; repeatable',
  ).argParser(collectOverride),
  new Option('--prune-layers <numbers>', 'language model: layers to leave out, such as 20,21,22').argParser(
    parseLayers,
  ),
];

/** What the library is told of them: it refuses what has no meaning. `earlier` are rules that come first. */
export const askedSettings = (
  { leaveOutput, outputType, embeddingType, tensorTypeFile, keepSplit, pruneLayers }: AskedOptions,
  earlier: QuantizeFileOptions['rules'],
): QuantizeFileOptions => ({
  ...{ leaveOutput, outputType, embeddingType, keepSplit, pruneLayers },
  rules: tensorTypeFile === undefined ? earlier : [...(earlier ?? []), ...tensorTypeFile],
});

/** Given more than once, as llama-quantize has it, all count. */
function readTypeRules(file: string, earlier: readonly TypeRule[] = []): readonly TypeRule[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${(error as Error).message}.`);
  }
  return [...earlier, ...text.split(/\s+/u).flatMap((entry) => (entry === '' ? [] : [typeRule(entry)]))];
}

/** The first `=` ends the pattern, which is sought anywhere in names. */
function typeRule(entry: string): TypeRule {
  const [, pattern, named] = /^([^=]+)=(.+)$/su.exec(entry) ?? [];
  const type = nameIn(TENSOR_TYPES, named);
  if (pattern === undefined || type === undefined) {
    const detail = `has ${JSON.stringify(entry)}, which is no pattern and type, such as attn_v=Q8_0`;
    throw new InvalidArgumentError(`It ${detail}; types are ${TENSOR_TYPES.join(', ')}.`);
  }
  try {
    return [new RegExp(pattern.toLowerCase(), 'u'), type];
  } catch {
    throw new InvalidArgumentError(`It has ${JSON.stringify(pattern)}, which is no regular expression.`);
  }
}

const OVERRIDE_TYPES = { int: 'u32', float: 'f32', bool: 'bool', str: 'string' } as const;
const OVERRIDE_FORM = 'It must be a key, int, float, bool or str, and a value, such as general.name=str:mine.';

function collectOverride(text: string, earlier: Pairs | undefined): Pairs {
  const [, key, named, value] = /^([^=]+)=(int|float|bool|str):(.*)$/su.exec(text) ?? [];
  if (key === undefined || named === undefined || value === undefined) throw new InvalidArgumentError(OVERRIDE_FORM);
  const type = OVERRIDE_TYPES[named as keyof typeof OVERRIDE_TYPES];
  return [...(earlier ?? []), [key, { type, value: overridden(type, value) } as KeyValue]];
}

/** A text in place of what it says where that is nothing of the type: the library says what it must be. */
function overridden(type: string, text: string): string | number | boolean {
  if (type === 'bool') return text === 'true' || (text === 'false' ? false : text);
  return type === 'string' || text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

function parseLayers(text: string, earlier: readonly number[] = []): readonly number[] {
  if (!/^\d{1,9}(?:,\d{1,9})*$/u.test(text))
    throw new InvalidArgumentError('It must be numbers of layers, such as 20,21,22.');
  return [...earlier, ...text.split(',').map(Number)];
}
