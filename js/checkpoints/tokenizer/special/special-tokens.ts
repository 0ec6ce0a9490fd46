import { flag, texts, u32 } from '../../../containers/gguf/key-values.js';
import { wholeNumber, type Json, isObject } from '../../../formats/folder/json.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { setChatTemplates } from './chat-template.js';
import { readMerges } from './merges.js';
import { setNormalizer } from './normalizer.js';
import { itemsOf, member, type PlainFile } from '../plain.js';
import { PostProcessorReader, type AddFlags, type SpecialEntries } from './post-processor.js';

export interface SpecialTokenOptions {
  /** Ids from here on are left out; any are written where it is missing. */
  readonly vocabularySize?: number;
  /** Whether the merges of byte-level BPE are written. */
  readonly loadMerges?: boolean;
  /** Which special tokens are looked for, in this order. */
  readonly types?: readonly string[];
  /** Ids of special tokens that no file names, by type. */
  readonly known?: readonly (readonly [type: string, id: number])[];
  /** Whether chat templates are written, if the caller wants them. */
  readonly chatTemplate?: boolean;
}

const USUAL_TYPES = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'];

/** Those that llama.cpp has a key for, and how it is spelt there. */
const KEYS: ReadonlyMap<string, string> = new Map([
  ['bos', 'bos'],
  ['eos', 'eos'],
  ['unk', 'unknown'],
  ['sep', 'seperator'],
  ['pad', 'padding'],
  ['mask', 'mask'],
  ['eot', 'eot'],
  ['eom', 'eom'],
]);

const FLAGS = ['bos', 'eos', 'sep'];

/** Writes what comes after the tokens themselves: merges, ids of special tokens, what is put around texts, chat templates. */
export async function setSpecialTokens(
  pairs: KeyList,
  checkpoint: Checkpoint,
  options: SpecialTokenOptions = {},
): Promise<void> {
  const { files } = checkpoint;
  const [tokenizer, config] = [await files.plain('tokenizer.json'), await files.plain('tokenizer_config.json')];
  if (options.loadMerges === true) pairs.set(texts('tokenizer.ggml.merges', await readMerges(files)));
  const entries: SpecialEntries = new Map(Object.entries(config?.values ?? {}));
  const reader = new PostProcessorReader(entries, options.types ?? USUAL_TYPES);
  reader.read(tokenizer?.get('post_processor'));
  const ids = new SpecialIds(checkpoint, options.vocabularySize);
  if (config !== null && entries.size > 0) {
    for (const type of reader.types) {
      const added = entries.get(`add_${type}_token`);
      if (typeof added === 'boolean') reader.flags.set(type, added);
      ids.set(type, idOf(contentOf(entries.get(`${type}_token`)), tokenizer));
    }
  }
  await setFromModelConfig(ids, reader.types, checkpoint);
  for (const [type, id] of options.known ?? []) ids.set(type, id);
  ids.write(pairs);
  writeFlags(pairs, reader.flags);
  if (options.chatTemplate !== false) await setChatTemplates(pairs, config, checkpoint);
  setNormalizer(pairs, tokenizer?.get('normalizer'));
}

/** Ids by type; the first one of a type counts. */
class SpecialIds {
  readonly #ids = new Map<string, number>();
  readonly #checkpoint: Checkpoint;
  readonly #end: number;

  constructor(checkpoint: Checkpoint, vocabularySize = 2 ** 32) {
    this.#checkpoint = checkpoint;
    this.#end = vocabularySize;
  }

  set(type: string, id: number | undefined): void {
    if (id === undefined || this.#ids.has(type)) return;
    if (id >= 0 && id < this.#end) this.#ids.set(type, id);
    else this.#warn(type, id);
  }

  write(pairs: KeyList): void {
    for (const [type, id] of this.#ids) {
      const key = KEYS.get(type);
      if (key !== undefined) pairs.set(u32(`tokenizer.ggml.${key}_token_id`, id));
    }
  }

  #warn(type: string, id: number): void {
    const message = `the id ${id} of the special token ${type} of ${this.#checkpoint.name} is left out, as no token has it`;
    this.#checkpoint.warn({ code: 'checkpoint_doubt', message });
  }
}

function writeFlags(pairs: KeyList, flags: AddFlags): void {
  for (const [type, value] of flags)
    if (FLAGS.includes(type)) pairs.set(flag(`tokenizer.ggml.add_${type}_token`, value));
}

function contentOf(entry: unknown): string | undefined {
  const content = typeof entry === 'string' ? entry : member(entry, 'content');
  return typeof content === 'string' ? content : undefined;
}

/** The id of the first added token with that text. */
function idOf(content: string | undefined, tokenizer: PlainFile | null): number | undefined {
  if (content === undefined) return undefined;
  const found = itemsOf(tokenizer?.get('added_tokens')).find((token) => member(token, 'content') === content);
  const id = member(found, 'id');
  return typeof id === 'number' && Number.isSafeInteger(id) ? id : undefined;
}

/** config.json as it lies there, without the defaults of its kind of model. */
async function setFromModelConfig(ids: SpecialIds, types: readonly string[], { files }: Checkpoint): Promise<void> {
  const config = await files.object('config.json');
  const inner = config?.get('text_config');
  for (const type of types) {
    const name = `${type}_token_id`;
    const value = config?.get(name) ?? (isObject(inner) ? inner.get(name) : undefined);
    ids.set(type, pythonInteger(value));
  }
}

/** A whole number, which truth and falsehood are to Python. */
function pythonInteger(value: Json | undefined): number | undefined {
  if (typeof value === 'boolean') return Number(value);
  const isSpeltWhole =
    typeof value === 'object' && value !== null && 'number' in value && /^-?\d+$/u.test(value.number);
  return isSpeltWhole ? wholeNumber(value) : undefined;
}
