import { quoted } from '../../containers/invalid-file.js';
import { f32, f32s, flags, i32, i32s, text, texts, u32 } from '../../containers/gguf/key-values.js';
import type { KeyList } from '../key-list.js';
import { isFalsy, type CardNumber, type CardValue } from './card/card-values.js';

/** What is wrong with a file. */
export type Wrong = (detail: string) => Error;

/** Writes pairs as llama.cpp's converter does. Throws what `wrong` gives for values that their types cannot be. */
export class PairWriter {
  readonly #pairs: KeyList;

  constructor(pairs: KeyList) {
    this.#pairs = pairs;
  }

  /** Nothing where there is none, or what Python takes for false. `name` is what the file calls it. */
  text(key: string, value: CardValue | undefined, name: string, wrong: Wrong): void {
    if (value === undefined || isFalsy(value)) return;
    if (typeof value !== 'string') throw wrong(`${quoted(name)} must be text; put it in quotes`);
    this.#pairs.set(text(key, wellFormed(value, name, wrong)));
  }

  count(key: string, value: number): void {
    this.#pairs.set(u32(key, value));
  }

  whole(key: string, value: CardNumber | undefined, name: string, wrong: Wrong): void {
    if (value === undefined) return;
    if (!isI32(value)) throw wrong(`${quoted(name)} must be a whole number of 32 bits`);
    this.#pairs.set(i32(key, value.value));
  }

  number(key: string, value: CardNumber | undefined, name: string, wrong: Wrong): void {
    if (value === undefined) return;
    if (!fitsF32(value)) throw wrong(`${quoted(name)} must be a number that 32 bits can hold`);
    this.#pairs.set(f32(key, value.value));
  }

  /** All must be of one type; nothing for an empty list. */
  list(key: string, values: readonly CardValue[], name: string, wrong: Wrong): void {
    if (values.length === 0) return;
    if (values.every((one) => typeof one === 'string')) {
      const all = values.map((one) => wellFormed(one, name, wrong));
      this.#pairs.set(texts(key, all));
    } else if (values.every((one) => typeof one === 'boolean')) {
      this.#pairs.set(flags(key, values));
    } else if (values.every(isI32)) {
      this.#pairs.set(i32s(key, numbersOf(values)));
    } else if (values.every(isF32)) {
      this.#pairs.set(f32s(key, numbersOf(values)));
    } else throw wrong(`${quoted(name)} must be a list of texts; put each in quotes`);
  }
}

/** A text that has a code in UTF-8. */
function wellFormed(value: string, name: string, wrong: Wrong): string {
  if (/\p{Cs}/u.test(value)) throw wrong(`${quoted(name)} has half of a character in it`);
  return value;
}

const isKind = (value: CardValue, kind: CardNumber['kind']): value is CardNumber =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;

const isI32 = (value: CardValue): value is CardNumber => isKind(value, 'int') && (value.value | 0) === value.value;

/** A whole number is as good here. */
const fitsF32 = ({ value }: CardNumber): boolean => !Number.isFinite(value) || Number.isFinite(Math.fround(value));

const isF32 = (value: CardValue): value is CardNumber => isKind(value, 'float') && fitsF32(value);

const numbersOf = (values: readonly CardNumber[]): readonly number[] => values.map(({ value }) => value);
