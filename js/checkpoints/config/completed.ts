import { isObject, jsonNumber, type Json, type JsonObject } from '../../formats/folder/json.js';
import { DECODERS } from './decoders.js';
import { ENCODERS } from './encoders.js';
import { intIn, kind, type Kind } from './kind.js';

/** What a config has of its own, and its text model in `text_config`; with the kind of that where it does not say. */
const COMPOSITES: ReadonlyMap<Json | undefined, string> = new Map([
  ['aya_vision', 'cohere2'],
  ['cohere2_vision', 'cohere2'],
  ['gemma3', 'gemma3_text'],
  ['granite_speech', 'granite'],
  ['idefics3', 'llama'],
  ['internvl', 'qwen2'],
  ['lfm2_vl', 'lfm2'],
  ['llava', 'llama'],
  ['llava_next', 'llama'],
  ['llava_onevision', 'qwen2'],
  ['mistral3', 'mistral'],
  ['qwen2_audio', 'qwen2'],
  ['smolvlm', 'llama'],
]);

/** Whose text model is of that kind whatever it says. */
const FIXED: ReadonlySet<Json | undefined> = new Set(['gemma3']);

const KINDS: ReadonlyMap<Json | undefined, Kind> = new Map<Json | undefined, Kind>([
  ...Object.entries(DECODERS),
  ...Object.entries(ENCODERS),
  ...[...COMPOSITES.keys()].map((name) => [name, kind('- - - - - - - - null true', '')] as const),
]);

/** What all kinds have, besides labels. */
const COMMON: JsonObject = new Map<string, Json>([
  ['architectures', null],
  ['is_decoder', false],
  ['is_encoder_decoder', false],
  ['max_length', jsonNumber(20)],
]);

/** The types that torch has; a config that names another is refused. */
const DTYPES: ReadonlySet<Json> = new Set(
  'float32 float float64 double float16 half bfloat16 float8_e4m3fn float8_e5m2 uint8 int8 int16 short int32 int int64 long bool'.split(
    ' ',
  ),
);

const MOST_LABELS = 65_536;

/**
 * A config.json as transformers 4.57's AutoConfig would have it: with the values that it fills in, under the names that it
 * uses. One whose kind is not known here or there, or that it refuses, is left as it is.
 */
export const completed = (config: JsonObject): JsonObject => completion(config, modelType(config)) ?? config;

/** A Mistral that says what each layer attends to is a Ministral. */
function modelType(config: JsonObject): Json | undefined {
  const type = config.get('model_type');
  return type === 'mistral' && config.has('layer_types') ? 'ministral' : type;
}

/** Null where transformers refuses the config. */
function completion(config: JsonObject, type: Json | undefined): JsonObject | null {
  const known = KINDS.get(type);
  if (known === undefined || !hasDtype(config)) return null;
  const own = [...config].filter(([name]) => !known.aliases.has(name));
  const values = new Map<string, Json>([...COMMON, ...known.defaults, ...own]);
  if (!known.rules.every((rule) => rule(values))) return null;
  for (const [name, target] of known.aliases) {
    const value = config.get(name);
    if (value !== undefined) values.set(target, value);
  }
  if (type !== undefined) values.set('model_type', type);
  return setLabels(values) && setText(values, type) ? values : null;
}

function hasDtype(config: JsonObject): boolean {
  const dtype = config.get('dtype') ?? config.get('torch_dtype');
  return typeof dtype !== 'string' || DTYPES.has(dtype);
}

/** Numbers of labels become their texts' places: sorted, as a map from number to text. */
function setLabels(values: Map<string, Json>): boolean {
  const labels = values.get('id2label') ?? null;
  const count = intIn(values.get('num_labels') ?? jsonNumber(2));
  values.delete('num_labels');
  if (labels === null) {
    if (count === undefined || count > MOST_LABELS) return false;
    values.set('id2label', new Map(Array.from({ length: Math.max(count, 0) }, (_, id) => [String(id), `LABEL_${id}`])));
    return true;
  }
  if (!isObject(labels)) return false;
  const numbered = [...labels].map(([id, label]) => [/^\s*[+-]?\d+\s*$/u.test(id) ? Number(id) : NaN, label] as const);
  if (numbered.some(([id]) => !Number.isSafeInteger(id))) return false;
  const sorted = [...new Map(numbered)].sort(([one], [other]) => one - other);
  values.set('id2label', new Map(sorted.map(([id, label]) => [String(id), label])));
  return true;
}

/** Completes the text model's part of a config. */
function setText(values: Map<string, Json>, type: Json | undefined): boolean {
  const fallback = COMPOSITES.get(type);
  if (fallback === undefined) return true;
  const given = values.get('text_config') ?? null;
  if (given !== null && !isObject(given)) return false;
  const named = FIXED.has(type) ? fallback : (given?.get('model_type') ?? fallback);
  const text = completion(given ?? new Map<string, Json>(), named);
  if (text !== null) values.set('text_config', text);
  return text !== null;
}
