import { readJsonFile, readTextFile } from '../formats/folder/config.js';
import type { JsonObject } from '../formats/folder/json.js';
import { invalidFile } from '../containers/invalid-file.js';
import { decodeJson } from '../containers/json.js';
import { readWholeFile } from '../models/whole-file.js';
import type { ByteSource } from '../io/byte-io.js';
import { joinBytes } from '../io/join-bytes.js';
import type { Companions } from '../models/companions.js';
import { JsonElements, JsonMembers, placeLargeParts, type JsonPlace } from './tokenizer/json-parts.js';
import { hasLoneSurrogate, PlainFile } from './tokenizer/plain.js';

/** The largest vocabularies take some tens of megabytes; as JSON they take several times as much while they are read. */
const MOST_BYTES = 128 * 2 ** 20;
const MOST_JSON_BYTES = 64 * 2 ** 20;

const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/u;

/** The files of a checkpoint besides its weights. Texts are read once, when they are asked for. */
export class CheckpointFiles {
  readonly #companions: Companions;
  readonly #objects = new Map<string, Promise<JsonObject | null>>();
  readonly #texts = new Map<string, Promise<string | null>>();
  readonly #plain = new Map<string, Promise<PlainFile | null>>();

  constructor(companions: Companions) {
    this.#companions = companions;
  }

  /** What the folder is called; empty where that is not known. */
  get folderName(): string {
    return this.#companions.folderName;
  }

  /** The names of what is in a folder of the checkpoint, or in its own when that is empty, sorted; folders may be among them. */
  list(folder = ''): Promise<readonly string[]> {
    return this.#companions.list(folder);
  }

  /** The JSON object in a file; null where there is none. Rejects with `invalid_file` for anything else. */
  object(name: string): Promise<JsonObject | null> {
    const read = this.#objects.get(name) ?? this.#readObject(name);
    this.#objects.set(name, read);
    return read;
  }

  text(name: string): Promise<string | null> {
    const read = this.#texts.get(name) ?? this.#readText(name);
    this.#texts.set(name, read);
    return read;
  }

  async bytes(name: string): Promise<Uint8Array | null> {
    const source = await this.#companions.find(name);
    return source === null ? null : readWholeFile(source, MOST_BYTES);
  }

  /**
   * What a file of JSON says, as the engine's own parser has it: tokenizers take tens of megabytes. Null where there is none.
   * Rejects with `invalid_file` for what is no object.
   */
  plain(name: string): Promise<PlainFile | null> {
    const read = this.#plain.get(name) ?? this.#readPlain(name);
    this.#plain.set(name, read);
    return read;
  }

  /** Null where there is none. */
  source(name: string): Promise<ByteSource | null> {
    return this.#companions.find(name);
  }

  /** An error about one of them that was found. */
  async wrong(name: string, detail: string): Promise<Error> {
    const source = await this.#companions.find(name);
    return source === null ? new RangeError(`there is no ${name}`) : invalidFile(source, detail);
  }

  async #readObject(name: string): Promise<JsonObject | null> {
    const source = await this.#companions.find(name);
    return source === null ? null : readJsonFile(source);
  }

  async #readText(name: string): Promise<string | null> {
    const source = await this.#companions.find(name);
    return source === null ? null : readTextFile(source);
  }

  async #readPlain(name: string): Promise<PlainFile | null> {
    const source = await this.#companions.find(name);
    if (source === null) return null;
    const bytes = await readWholeFile(source, MOST_JSON_BYTES);
    const parse = (part: Uint8Array): unknown => parsed(decodeJson(part, source, source.fileName), source);
    const places = placeLargeParts(bytes);
    const vocabulary = places?.vocabulary ? new JsonMembers(bytes, places.vocabulary, parse) : undefined;
    const merges = places?.merges ? new JsonElements(bytes, places.merges, parse) : undefined;
    const large = [places?.vocabulary ?? [], places?.merges ?? []].flat();
    const file = new PlainFile(parse(without(bytes, large)), source, { vocabulary, merges });
    // Those that nobody goes through have to be JSON, too.
    vocabulary?.check();
    merges?.check();
    return file;
  }
}

/** JSON with brackets that have nothing in them in the places of some. */
function without(bytes: Uint8Array, places: readonly JsonPlace[]): Uint8Array {
  if (places.length === 0) return bytes;
  const inOrder = [...places].sort((one, other) => one.begin - other.begin);
  const begins = [0, ...inOrder.map(({ end }) => end - 1)];
  const ends = [...inOrder.map(({ begin }) => begin + 1), bytes.length];
  return joinBytes(begins.map((begin, index) => bytes.subarray(begin, ends[index])));
}

function parsed(text: string, source: ByteSource): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidFile(source, 'it is no JSON', { cause });
  }
  if (ESCAPED_SURROGATE.test(text) && hasLoneSurrogate(value)) throw invalidFile(source, 'it has halves of characters');
  return value;
}
