/**
 * The largest parts of a tokenizer.json as the bytes that they are there: hundreds of thousands of tokens and merges take many
 * times as much once they are parsed, and are only gone through.
 */

/** Parsed at once. */
const PART_BYTES = 2 ** 16;

const codeOf = (character: string): number => character.charCodeAt(0);
const [QUOTE, BACKSLASH, COMMA, COLON] = [codeOf('"'), codeOf('\\'), codeOf(','), codeOf(':')];
const OPENING = [codeOf('{'), codeOf('[')];
const CLOSING = [codeOf('}'), codeOf(']')];
const SPACE = codeOf(' ');

/** Where an array or an object lies, from its bracket up to behind the other, and commas in it far from each other. */
export interface JsonPlace {
  readonly begin: number;
  readonly end: number;
  readonly cuts: readonly number[];
}

/** Parses JSON, or throws. */
export type Parse = (bytes: Uint8Array) => unknown;

/** What is in an array or an object, parsed each time that it is gone through. `Item` is what it has of either. */
abstract class JsonParts<Item> implements Iterable<Item> {
  readonly #bytes: Uint8Array;
  readonly #cuts: readonly number[];
  readonly #parse: Parse;

  /** `bytes` are those of JSON with an array or an object at `place`, and are kept. */
  constructor(bytes: Uint8Array, { begin, end, cuts }: JsonPlace, parse: Parse) {
    this.#bytes = bytes.subarray(begin, end);
    this.#cuts = [...cuts.map((cut) => cut - begin), end - begin - 1];
    this.#parse = parse;
  }

  protected abstract itemsOf(part: unknown): readonly Item[];

  /** Throws what `parse` throws for what is no JSON. */
  check(): void {
    const parts = this.#parts();
    while (parts.next().done !== true);
  }

  *[Symbol.iterator](): Iterator<Item> {
    for (const items of this.#parts()) yield* items;
  }

  *#parts(): Generator<readonly Item[]> {
    const [open, close] = [this.#bytes[0] ?? 0, this.#bytes.at(-1) ?? 0];
    let begin = 0;
    for (const end of this.#cuts) {
      // One of its own: commas at both ends become brackets.
      const part = this.#bytes.slice(begin, end + 1);
      part[0] = open;
      part[part.length - 1] = close;
      const items = this.itemsOf(this.#parse(part));
      // Nothing between two commas is no JSON, which the bytes of both show.
      if (items.length === 0 && this.#cuts.length > 1) this.#parse(new Uint8Array([COMMA]));
      yield items;
      begin = end;
    }
  }
}

/** The elements of an array. */
export class JsonElements extends JsonParts<unknown> {
  protected override itemsOf(part: unknown): readonly unknown[] {
    return part as readonly unknown[];
  }
}

/** Names and values of an object's members. One that comes again far from the first may come twice. */
export class JsonMembers extends JsonParts<readonly [name: string, value: unknown]> {
  protected override itemsOf(part: unknown): readonly (readonly [string, unknown])[] {
    return Object.entries(part as Readonly<Record<string, unknown>>);
  }
}

export interface LargeParts {
  /** `model.vocab` where it is an object. */
  readonly vocabulary: JsonPlace | null;
  /** `model.merges` where it is an array. */
  readonly merges: JsonPlace | null;
}

/**
 * Where they lie in JSON. Null where one is there twice, or a name has escapes, so that only a parser can tell. Of what is no
 * JSON it may give anything.
 */
export function placeLargeParts(bytes: Uint8Array): LargeParts | null {
  return new Scanner(bytes).places();
}

/** By name, and the bracket that each begins with. */
const LARGE: ReadonlyMap<string | undefined, number> = new Map([
  ['vocab', codeOf('{')],
  ['merges', codeOf('[')],
]);

class Scanner {
  readonly #bytes: Uint8Array;
  readonly #names: (string | undefined)[] = [];
  readonly #seen = new Set<string>();
  readonly #places = new Map<string, JsonPlace>();
  #current: { readonly name: string; readonly begin: number; readonly cuts: number[] } | null = null;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  places(): LargeParts | null {
    const bytes = this.#bytes;
    for (let at = 0; at < bytes.length; ++at) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) {
        const end = this.#stringEnd(at);
        if (this.#depth <= 2 && !this.#takeName(at, end)) return null;
        at = end;
      } else if (OPENING.includes(byte)) this.#open(at, byte);
      else if (CLOSING.includes(byte)) this.#close(at);
      else if (byte === COMMA && this.#depth === 3) this.#cut(at);
    }
    return { vocabulary: this.#places.get('vocab') ?? null, merges: this.#places.get('merges') ?? null };
  }

  #stringEnd(begin: number): number {
    let at = begin + 1;
    while (at < this.#bytes.length && this.#bytes[at] !== QUOTE) at += this.#bytes[at] === BACKSLASH ? 2 : 1;
    return at;
  }

  /** False for a name that makes the places uncertain. */
  #takeName(begin: number, end: number): boolean {
    let next = end + 1;
    while (next < this.#bytes.length && (this.#bytes[next] ?? 0) <= SPACE) ++next;
    if (this.#bytes[next] !== COLON || (this.#depth === 2 && this.#names[1] !== 'model')) return true;
    const spelt = this.#bytes.subarray(begin + 1, end);
    if (spelt.includes(BACKSLASH)) return false;
    const name = spelt.length > 8 ? undefined : String.fromCharCode(...spelt);
    this.#names[this.#depth] = name;
    const isOne = this.#depth === 1 ? name === 'model' : LARGE.has(name);
    if (!isOne || name === undefined) return true;
    const isFirst = !this.#seen.has(name);
    this.#seen.add(name);
    return isFirst;
  }

  #open(at: number, byte: number): void {
    const name = this.#depth === 2 && this.#names[1] === 'model' ? this.#names[2] : undefined;
    if (name !== undefined && LARGE.get(name) === byte) this.#current = { name, begin: at, cuts: [] };
    ++this.#depth;
    if (this.#depth <= 2) this.#names[this.#depth] = undefined;
  }

  #close(at: number): void {
    --this.#depth;
    if (this.#current === null || this.#depth !== 2) return;
    const { name, begin, cuts } = this.#current;
    this.#places.set(name, { begin, end: at + 1, cuts });
    this.#current = null;
    this.#names[2] = undefined;
  }

  #cut(at: number): void {
    if (this.#current === null) return;
    const { begin, cuts } = this.#current;
    if (at - (cuts.at(-1) ?? begin) >= PART_BYTES) cuts.push(at);
  }
}
