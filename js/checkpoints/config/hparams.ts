import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { isObject, wholeNumber, type Json, type JsonObject } from '../../formats/folder/json.js';
import type { ByteSource } from '../../io/byte-io.js';

/** What a config.json says. Of several names for the same thing the first one counts that is there, even when it is null. */
export class Hparams {
  readonly #values: JsonObject;
  readonly #file: ByteSource;

  /** `file` is what errors name. */
  constructor(values: JsonObject, file: ByteSource) {
    this.#values = values;
    this.#file = file;
  }

  get values(): JsonObject {
    return this.#values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  find(...names: readonly string[]): Json | undefined {
    const name = names.find((one) => this.#values.has(one));
    return name === undefined ? undefined : this.#values.get(name);
  }

  /** A whole number. Throws `invalid_file` where it is missing, or none. */
  whole(...names: readonly string[]): number {
    const value = wholeNumber(this.find(...names));
    if (value === undefined) throw this.wrong(names, 'a whole number');
    return value;
  }

  /** Undefined where it is missing or null. */
  optionalWhole(...names: readonly string[]): number | undefined {
    return isNothing(this.find(...names)) ? undefined : this.whole(...names);
  }

  /** A number. Throws `invalid_file` where it is missing, or none. */
  number(...names: readonly string[]): number {
    const value = numberIn(this.find(...names));
    if (value === undefined) throw this.wrong(names, 'a number');
    return value;
  }

  optionalNumber(...names: readonly string[]): number | undefined {
    return isNothing(this.find(...names)) ? undefined : this.number(...names);
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  /** An object in it; undefined where there is none. */
  section(name: string): Hparams | undefined {
    const value = this.#values.get(name);
    return isObject(value) ? new Hparams(value, this.#file) : undefined;
  }

  /** The same, with another value of that name. */
  with(name: string, value: Json): Hparams {
    return new Hparams(new Map([...this.#values, [name, value]]), this.#file);
  }

  wrong(names: readonly string[], needed: string): Error {
    const [first = ''] = names;
    const name = names.find((one) => this.#values.has(one)) ?? first;
    return invalidFile(this.#file, `${quoted(name)} must be ${needed}`);
  }
}

const isNothing = (value: Json | undefined): boolean => value === undefined || value === null;

/** A finite number, as JavaScript has it; `-0` is one of Python's whole numbers, and those know no sign of zero. */
export function numberIn(value: Json | undefined): number | undefined {
  if (typeof value !== 'object' || value === null || !('number' in value)) return undefined;
  const number = value.number === '-0' ? 0 : Number(value.number);
  return Number.isFinite(number) ? number : undefined;
}
