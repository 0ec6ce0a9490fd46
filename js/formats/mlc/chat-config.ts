import type { Model } from '../../models/model.js';
import { QuantizeError, quoted } from '../../errors.js';
import { readJsonFile, readTextFile, textUnder } from '../folder/config.js';
import { isObject, printJson, wholeNumber, type Json, type JsonObject } from '../folder/json.js';
import { jsonOf } from '../modules/folder.js';
import { chatFor, templateOf, withinVocabulary } from './chats.js';

export const CHAT_CONFIG = 'mlc-chat-config.json';

/** Of what mlc-llm copies, in its order. */
const TOKENIZER_FILES: readonly string[] = [
  ...['tokenizer.model', 'tokenizer.json', 'vocab.json', 'merges.txt', 'added_tokens.json', 'tokenizer_config.json'],
];

/** Longest prompts that are taken at once. */
const MOST_PREFILL = 8192;

/** What generation has where neither generation_config.json nor config.json says. */
const USUAL: Readonly<Record<string, string>> = {
  ...{ temperature: '1.0', presence_penalty: '0.0', frequency_penalty: '0.0', repetition_penalty: '1.0', top_p: '1.0' },
  ...{ pad_token_id: '0', bos_token_id: '1', eos_token_id: '2' },
};

/** What the configuration is about. */
export interface ChatSubject {
  readonly model: Model;
  readonly config: JsonObject;
  readonly architecture: string;
  /** `q4f16_1`. */
  readonly quantization: string;
  /** The chat that models of this kind have. */
  readonly usualChat: string;
}

/**
 * The text of mlc-chat-config.json: what the model's own configuration says, in mlc-llm's words. Throws `unsupported_model` where
 * that does not say how long texts may be.
 */
export async function chatConfigText(subject: ChatSubject): Promise<string> {
  const { model, config, architecture, quantization, usualChat } = subject;
  const generation = await jsonBeside(model, 'generation_config.json');
  const tokenizer = await jsonBeside(model, 'tokenizer_config.json');
  const files = await presentFiles(model);
  const told = (await templateFile(model)) ?? templateIn(tokenizer);
  const chat = withinVocabulary(chatFor(told, usualChat), wholeNumber(config.get('vocab_size')));
  const context = contextOf(subject);
  const sliding = config.get('sliding_window') ?? null;
  const window = wholeNumber(sliding) ?? -1;
  const prefill = Math.min(context, MOST_PREFILL);
  const sizes = { context_window_size: context, sliding_window_size: window, prefill_chunk_size: prefill };
  const rest = { attention_sink_size: window > 0 ? 4 : -1, tensor_parallel_shards: 1, pipeline_parallel_stages: 1 };
  const vocabulary = config.get('vocab_size') ?? null;
  const members: readonly (readonly [string, Json])[] = [
    ...entriesOf({ version: '0.1.0', model_type: architecture, quantization }),
    ['model_config', new Map([...modelConfig(config), ...entriesOf({ ...sizes, ...rest, max_batch_size: 128 })])],
    ['vocab_size', vocabulary],
    ...entriesOf({ ...sizes, ...rest }),
    ['active_vocab_size', vocabulary],
    ...Object.keys(USUAL).map((name): [string, Json] => [name, said(name, [generation, config])]),
    ['tokenizer_files', files],
    ['tokenizer_info', tokenizerInfo(files)],
    ['conv_template', jsonOf(templateOf(chat))],
    ['model_task', 'chat'],
  ];
  return printJson(new Map(members), 2);
}

const entriesOf = (members: Readonly<Record<string, unknown>>): [string, Json][] =>
  Object.entries(members).map(([name, value]) => [name, jsonOf(value)]);

async function jsonBeside(model: Model, name: string): Promise<JsonObject | null> {
  const source = await model.companions.find(name);
  return source === null ? null : readJsonFile(source);
}

async function presentFiles(model: Model): Promise<readonly string[]> {
  const found = await Promise.all(TOKENIZER_FILES.map((name) => model.companions.find(name)));
  return TOKENIZER_FILES.filter((_, index) => found[index] !== null);
}

function contextOf({ config, model }: ChatSubject): number {
  for (const name of ['context_window_size', 'max_position_embeddings', 'max_sequence_length']) {
    const context = wholeNumber(config.get(name));
    if (context !== undefined && context > 0) return context;
  }
  const detail = `config.json says nothing of ${quoted('max_position_embeddings')}, which MLC-LLM needs to know`;
  throw new QuantizeError('unsupported_model', { file: model.name, detail });
}

/** What other programs have put into it is none of the model's sizes. */
const NOT_COPIED: readonly string[] = [
  ...['quantization', 'quantization_config', 'architectures', 'transformers_version', '_name_or_path', 'auto_map'],
  ...['torch_dtype', 'dtype', 'use_cache', 'model_type'],
];

/** The sizes; the base of rotary embeddings under mlc-llm's name for it, too. */
function modelConfig(config: JsonObject): readonly (readonly [string, Json])[] {
  const rope = config.get('rope_parameters');
  const theta = config.get('rope_theta') ?? (isObject(rope) ? rope.get('rope_theta') : undefined);
  const own = [...config].filter(([name]) => !NOT_COPIED.includes(name));
  return [...own, ...(theta === undefined ? [] : [['position_embedding_base', theta] as const])];
}

function said(name: string, configs: readonly (JsonObject | null)[]): Json {
  for (const config of configs) {
    const value = config?.get(name);
    if (value !== undefined && value !== null) return value;
  }
  return { number: USUAL[name] ?? '0' };
}

/** Tokenizers of sentencepiece put spaces otherwise than those of bytes. */
const tokenizerInfo = (files: readonly string[]): Json =>
  jsonOf({
    token_postproc_method: files.includes('merges.txt') ? 'byte_level' : 'byte_fallback',
    prepend_space_in_encode: false,
    strip_space_in_decode: false,
  });

/** Where transformers saves templates now; it reads them from there first. */
async function templateFile(model: Model): Promise<string | null> {
  const source = await model.companions.find('chat_template.jinja');
  return source === null ? null : readTextFile(source);
}

/** The text of the chat template; of several, of the first. */
function templateIn(tokenizer: JsonObject | null): string | null {
  if (tokenizer === null) return null;
  const text = textUnder(tokenizer, 'chat_template');
  if (text !== undefined) return text;
  const several = tokenizer.get('chat_template');
  const [first] = Array.isArray(several) ? (several as readonly Json[]) : [];
  return isObject(first) ? (textUnder(first, 'template') ?? null) : null;
}
