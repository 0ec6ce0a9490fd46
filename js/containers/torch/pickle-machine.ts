import { decodeUtf8 } from '../utf8.js';
import { OTHER, objectOf, type PickleValue, type Sequence } from './values.js';

/** What names and calls in a pickle mean. Each throws where that is nothing that it knows. */
export interface Meaning {
  named(name: string): PickleValue;
  called(callee: PickleValue, items: readonly PickleValue[]): PickleValue;
  /** What is kept outside of the pickle. */
  persistent(id: PickleValue): PickleValue;
  /** The error of a pickle that is wrong. */
  fault(detail: string): Error;
}

/** More has no checkpoint; less memory than these take has no machine. */
const MOST_OBJECTS = 2 ** 21;
const MOST_ON_STACK = 2 ** 20;
const MOST_NAME_BYTES = 1000;
/** Longer integers are no sizes. */
const MOST_INTEGER_BYTES = 8;

/** The error of a pickle whose bytes end before it does. */
export class PickleEnd extends Error {}

const LINE_FEED = 10;

/** The stack, the memo and the bytes that operations of a pickle work on. Its methods throw a PickleEnd, or a fault. */
export class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #meaning: Meaning;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at: number;
  #objects = 0;

  constructor(bytes: Uint8Array, begin: number, meaning: Meaning) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = begin;
    this.#meaning = meaning;
  }

  /** How far the bytes have been read. */
  get position(): number {
    return this.#at;
  }

  fault(detail: string): Error {
    return this.#meaning.fault(detail);
  }

  push(value: PickleValue): this {
    if (this.#stack.length === MOST_ON_STACK) throw this.fault('it is nested too deep');
    this.#stack.push(value);
    return this;
  }

  pop(): PickleValue {
    const value = this.#stack.length > (this.#marks.at(-1) ?? 0) ? this.#stack.pop() : undefined;
    if (value === undefined) throw this.fault('it takes more than it has made');
    return value;
  }

  mark(): this {
    if (this.#marks.length === MOST_ON_STACK) throw this.fault('it is nested too deep');
    this.#marks.push(this.#stack.length);
    return this;
  }

  /** All since the last mark. */
  popMarked(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.fault('it takes more than it has made');
    return this.#stack.splice(mark);
  }

  popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  make(kind: Sequence['kind'], items: PickleValue[]): this {
    this.#count();
    if (kind === 'dict' && items.length % 2 !== 0) throw this.fault('it has a key without a value');
    return this.push({ kind, items });
  }

  /** Adds to the dict or list under the items, which were taken from the stack. */
  add(kind: Sequence['kind'], items: readonly PickleValue[]): this {
    const target = objectOf(this.#top());
    if (target?.kind === 'other') return this;
    if (target?.kind !== kind || (kind === 'dict' && items.length % 2 !== 0)) {
      throw this.fault(`it adds to a ${kind} that is none`);
    }
    for (const item of items) target.items.push(item);
    return this;
  }

  named(module: PickleValue, name: PickleValue): this {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.fault('it has a name that is no text');
    return this.push(this.#meaning.named(`${module}.${name}`));
  }

  call(): this {
    this.#count();
    const given = objectOf(this.pop());
    if (given?.kind !== 'tuple') throw this.fault('it calls something with what is no tuple');
    const made = objectOf(this.#meaning.called(this.pop(), given.items));
    // A dict may be the copy of what a few bytes name again and again.
    if (made?.kind === 'dict') this.#count(made.items.length);
    return this.push(made);
  }

  persistent(): this {
    this.#count();
    return this.push(this.#meaning.persistent(this.pop()));
  }

  /** What an object has besides its items, such as the versions of a state dict's modules, is nothing to us. */
  build(): this {
    this.pop();
    const kind = objectOf(this.#top())?.kind;
    if (kind !== 'dict' && kind !== 'other') throw this.fault('it changes what cannot be changed');
    return this;
  }

  remember(index: number): this {
    this.#count();
    this.#memo.set(index, this.#top());
    return this;
  }

  rememberNext(): this {
    return this.remember(this.#memo.size);
  }

  recall(index: number): this {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.fault('it refers to what it has not made');
    return this.push(value);
  }

  repeat(): this {
    return this.push(this.#top());
  }

  bytes(count: number): Uint8Array {
    if (count > this.#bytes.length - this.#at) throw new PickleEnd();
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** An unsigned number of 1, 2, 4 or 8 bytes; of 8, the nearest one that JavaScript has. */
  uint(width: number): number {
    const bytes = this.bytes(width);
    let value = 0;
    for (let at = width - 1; at >= 0; --at) value = value * 256 + (bytes[at] ?? 0);
    return value;
  }

  int32(): number {
    return this.uint(4) | 0;
  }

  float(): number {
    this.bytes(8);
    return this.#view.getFloat64(this.#at - 8);
  }

  /** An integer in two's complement. */
  long(width: number): PickleValue {
    const bytes = this.bytes(width);
    if (width > MOST_INTEGER_BYTES) return OTHER;
    const value = bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
    return Number(BigInt.asIntN(width * 8, value));
  }

  /** Text in UTF-8. Where it is none, characters that stand for that tell. */
  text(bytes: number): string {
    return decodeUtf8(this.bytes(bytes));
  }

  line(): string {
    const end = this.#bytes.subarray(this.#at, this.#at + MOST_NAME_BYTES).indexOf(LINE_FEED);
    if (end < 0) {
      if (this.#bytes.length - this.#at < MOST_NAME_BYTES) throw new PickleEnd();
      throw this.fault(`it has a name of more than ${MOST_NAME_BYTES} bytes`);
    }
    return this.text(end + 1).slice(0, -1);
  }

  #top(): PickleValue {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  #count(objects = 1): void {
    this.#objects += objects;
    if (this.#objects > MOST_OBJECTS) throw this.fault(`it has more than ${MOST_OBJECTS} objects`);
  }
}
