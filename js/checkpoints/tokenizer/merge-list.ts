/**
 * The merges of a tokenizer.json as the bytes that they are there: hundreds of thousands of pairs take many times as much once
 * they are parsed, and are only gone through.
 */

/** Parsed at once. */
const PART_BYTES = 2 ** 16;

const codeOf = (character: string): number => character.charCodeAt(0);
const [QUOTE, BACKSLASH, COMMA, COLON] = [codeOf('"'), codeOf('\\'), codeOf(','), codeOf(':')];
const OPENING = [codeOf('{'), codeOf('[')];
const CLOSING = [codeOf('}'), codeOf(']')];
const [OPEN_ARRAY, CLOSE_ARRAY] = [codeOf('['), codeOf(']')];
const SPACE = codeOf(' ');

/** Where an array lies, from its bracket up to behind the other, and commas between its elements far from each other. */
export interface ArrayPlace {
  readonly begin: number;
  readonly end: number;
  readonly cuts: readonly number[];
}

/** Elements of an array, parsed each time that they are gone through. */
export class MergeList implements Iterable<unknown> {
  readonly #bytes: Uint8Array;
  readonly #cuts: readonly number[];
  readonly #parse: (bytes: Uint8Array) => unknown;

  /** `bytes` are those of JSON with an array at `place`, of which a copy is kept. `parse` parses JSON, or throws. */
  constructor(bytes: Uint8Array, { begin, end, cuts }: ArrayPlace, parse: (bytes: Uint8Array) => unknown) {
    this.#bytes = bytes.slice(begin, end);
    this.#cuts = [...cuts.map((cut) => cut - begin), end - begin - 1];
    this.#parse = parse;
  }

  /** Throws what `parse` throws for elements that are no JSON. */
  check(): void {
    const parts = this.#parts();
    while (parts.next().done !== true);
  }

  *[Symbol.iterator](): Iterator<unknown> {
    for (const items of this.#parts()) yield* items;
  }

  *#parts(): Generator<readonly unknown[]> {
    let begin = 0;
    for (const end of this.#cuts) {
      // An array of its own: commas at both ends become brackets.
      const part = this.#bytes.slice(begin, end + 1);
      part[0] = OPEN_ARRAY;
      part[part.length - 1] = CLOSE_ARRAY;
      const items = this.#parse(part) as readonly unknown[];
      // Nothing between two commas is no JSON, which the bytes of both show.
      if (items.length === 0 && this.#cuts.length > 1) this.#parse(new Uint8Array([COMMA]));
      yield items;
      begin = end;
    }
  }
}

/**
 * Where `model.merges` lies in JSON. Null where there is no such array, or a name twice or with escapes, so that only a parser
 * can tell. Of what is no JSON it may give anything.
 */
export function placeOfMerges(bytes: Uint8Array): ArrayPlace | null {
  return new Scanner(bytes).place();
}

class Scanner {
  readonly #bytes: Uint8Array;
  readonly #names: (string | undefined)[] = [];
  readonly #cuts: number[] = [];
  #depth = 0;
  #models = 0;
  #begin = -1;
  #end = -1;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  place(): ArrayPlace | null {
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
    return this.#end < 0 ? null : { begin: this.#begin, end: this.#end, cuts: this.#cuts };
  }

  get #isInMerges(): boolean {
    return this.#begin >= 0 && this.#end < 0;
  }

  #stringEnd(begin: number): number {
    let at = begin + 1;
    while (at < this.#bytes.length && this.#bytes[at] !== QUOTE) at += this.#bytes[at] === BACKSLASH ? 2 : 1;
    return at;
  }

  /** False for a name that makes the place uncertain. */
  #takeName(begin: number, end: number): boolean {
    let next = end + 1;
    while (next < this.#bytes.length && (this.#bytes[next] ?? 0) <= SPACE) ++next;
    if (this.#bytes[next] !== COLON || (this.#depth === 2 && this.#names[1] !== 'model')) return true;
    const spelt = this.#bytes.subarray(begin + 1, end);
    if (spelt.includes(BACKSLASH)) return false;
    const name = spelt.length > 8 ? undefined : String.fromCharCode(...spelt);
    this.#names[this.#depth] = name;
    if (this.#depth === 1 && name === 'model') return ++this.#models === 1;
    return this.#depth !== 2 || name !== 'merges' || this.#begin < 0;
  }

  #open(at: number, byte: number): void {
    const isMerges = this.#depth === 2 && this.#names[1] === 'model' && this.#names[2] === 'merges';
    if (isMerges && byte === OPEN_ARRAY && this.#begin < 0) this.#begin = at;
    ++this.#depth;
    if (this.#depth <= 2) this.#names[this.#depth] = undefined;
  }

  #close(at: number): void {
    --this.#depth;
    if (this.#isInMerges && this.#depth === 2) this.#end = at + 1;
  }

  #cut(at: number): void {
    const last = this.#cuts.at(-1) ?? this.#begin;
    if (this.#isInMerges && at - last >= PART_BYTES) this.#cuts.push(at);
  }
}
