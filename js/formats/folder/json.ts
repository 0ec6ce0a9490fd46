/** JSON that is read, changed in places and written again: what nobody changes stays what it is, numbers to the letter. */

import { stringEnd } from '../../containers/json.js';
import { pythonText } from '../../containers/python-text.js';

/** A number as it is written; also `NaN`, `Infinity` and `-Infinity`, which Python writes and reads. */
export interface JsonNumber {
  readonly number: string;
}

export type JsonObject = ReadonlyMap<string, Json>;

export type Json = null | boolean | string | JsonNumber | readonly Json[] | JsonObject;

const MAX_DEPTH = 64;

export const jsonNumber = (value: number): JsonNumber => ({ number: String(value) });

export const isObject = (value: Json | undefined): value is JsonObject => value instanceof Map;

/** A whole number that JavaScript holds exactly; undefined for anything else. */
export function wholeNumber(value: Json | undefined): number | undefined {
  if (typeof value !== 'object' || value === null || !('number' in value)) return undefined;
  const whole = Number(value.number);
  return Number.isSafeInteger(whole) ? whole : undefined;
}

/** Throws a SyntaxError for what is no JSON. Of two members of the same name the last one counts, as in Python. */
export function parseJson(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

/** What stands for values by themselves. */
const LITERAL = /null|true|false|-?Infinity|NaN|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/uy;
const SPACE = /[ \t\n\r]*/uy;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) throw new SyntaxError(`it nests deeper than ${MAX_DEPTH} levels`);
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#array(depth);
    return first === '"' ? this.#string() : this.#literal();
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#unexpected();
  }

  #object(depth: number): Json {
    const members = new Map<string, Json>();
    this.#list('}', () => {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') throw this.#unexpected();
      const name = this.#string();
      this.#skipSpace();
      if (this.#text[this.#at] !== ':') throw this.#unexpected();
      ++this.#at;
      members.set(name, this.value(depth + 1));
    });
    return members;
  }

  #array(depth: number): Json {
    const values: Json[] = [];
    this.#list(']', () => {
      values.push(this.value(depth + 1));
    });
    return values;
  }

  /** What lies between the bracket here and the one that closes it. */
  #list(close: string, readOne: () => void): void {
    ++this.#at;
    this.#skipSpace();
    if (this.#text[this.#at] === close) {
      ++this.#at;
      return;
    }
    for (;;) {
      readOne();
      this.#skipSpace();
      const next = this.#text[this.#at];
      if (next !== close && next !== ',') throw this.#unexpected();
      ++this.#at;
      if (next === close) return;
    }
  }

  #string(): string {
    const end = stringEnd(this.#text, this.#at);
    const literal = this.#text.slice(this.#at, end);
    try {
      const value = String(JSON.parse(literal));
      this.#at = end;
      return value;
    } catch {
      throw this.#unexpected();
    }
  }

  #literal(): Json {
    LITERAL.lastIndex = this.#at;
    const [word] = LITERAL.exec(this.#text) ?? [];
    if (word === undefined) throw this.#unexpected();
    this.#at += word.length;
    if (word === 'null') return null;
    return word === 'true' || word === 'false' ? word === 'true' : { number: word };
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
  }

  #unexpected(): SyntaxError {
    return new SyntaxError(`it is no JSON from character ${this.#at} on`);
  }
}

/** To the byte as Python's `json.dumps(value, indent=indent)` has it. */
export function printJson(value: Json, indent: number): string {
  return print(value, ' '.repeat(indent), '\n');
}

/** `begin` begins a line of what `value` is a part of. */
function print(value: Json, indent: string, begin: string): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return pythonText(value);
  if (isObject(value)) {
    const members = [...value].map(([name, member]) => `${pythonText(name)}: ${print(member, indent, begin + indent)}`);
    return enclosed('{}', members, indent, begin);
  }
  if ('number' in value) return value.number;
  return enclosed(
    '[]',
    value.map((one) => print(one, indent, begin + indent)),
    indent,
    begin,
  );
}

function enclosed(brackets: string, parts: readonly string[], indent: string, begin: string): string {
  if (parts.length === 0) return brackets;
  const inner = parts.map((part) => begin + indent + part).join(',');
  return `${brackets.charAt(0)}${inner}${begin}${brackets.charAt(1)}`;
}
