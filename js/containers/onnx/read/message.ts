import type { ByteSource } from '../../../io/byte-io.js';
import { invalidFile } from '../../invalid-file.js';
import { decodeUtf8, encodeUtf8 } from '../../utf8.js';
import type { Field } from '../graph.js';
import type { RawMessage, RawValue } from './wire.js';

/** Fields of a message, taken one kind after the other; what nobody takes is its `rest`. Faults are `invalid_file`. */
export class Fields {
  readonly #source: Pick<ByteSource, 'name'>;
  readonly #title: string;
  readonly #byNumber = new Map<number, RawValue[]>();
  readonly #taken = new Set<number>();
  readonly #message: RawMessage;

  constructor(message: RawMessage, title: string, source: Pick<ByteSource, 'name'>) {
    this.#message = message;
    this.#title = title;
    this.#source = source;
    for (const { number, value } of message.fields) {
      const others = this.#byNumber.get(number);
      if (others === undefined) this.#byNumber.set(number, [value]);
      else others.push(value);
    }
  }

  /** All values of a field, which is no longer of the rest. */
  take(number: number): readonly RawValue[] {
    this.#taken.add(number);
    return this.#byNumber.get(number) ?? [];
  }

  has(number: number): boolean {
    return this.#byNumber.has(number);
  }

  /** Whether a field is there once, as bytes. */
  isWhole(number: number): boolean {
    const values = this.#byNumber.get(number) ?? [];
    return values.length === 1 && (values[0]?.kind === 'bytes' || values[0]?.kind === 'range');
  }

  /** What a field is, which stays of the rest until it is taken. */
  peek(number: number): readonly RawValue[] {
    return this.#byNumber.get(number) ?? [];
  }

  /** Of several values of what can be there once, the last one counts, as protocol buffers have it. */
  varint(number: number): bigint | undefined {
    const value = this.take(number).at(-1);
    if (value === undefined) return undefined;
    if (value.kind !== 'varint') throw this.fault(`has no number in field ${number}`);
    return BigInt.asIntN(64, value.value);
  }

  /** Numbers one by one, or packed. */
  varints(number: number): readonly bigint[] {
    return this.take(number).flatMap((value) => {
      if (value.kind === 'varint') return [BigInt.asIntN(64, value.value)];
      if (value.kind !== 'bytes') throw this.fault(`has no numbers in field ${number}`);
      const numbers = unpackedVarints(value.bytes);
      if (numbers === null) throw this.fault(`has numbers in field ${number} that do not end`);
      return numbers;
    });
  }

  text(number: number): string | undefined {
    return this.texts(number).at(-1);
  }

  texts(number: number): readonly string[] {
    return this.take(number).map((value) => {
      if (value.kind !== 'bytes') throw this.fault(`has no text in field ${number}`);
      return this.textOf(value.bytes);
    });
  }

  messages(number: number): readonly RawMessage[] {
    return this.take(number).map((value) => {
      if (value.kind !== 'message') throw this.fault(`has no message in field ${number}`);
      return value.message;
    });
  }

  /** What can be there once: protocol buffers would merge several, which nobody writes. */
  message(number: number): RawMessage | undefined {
    const all = this.messages(number);
    if (all.length > 1) throw this.fault(`has field ${number} more than once`);
    return all[0];
  }

  /** What nobody has taken. */
  get rest(): readonly Field[] {
    const fields: Field[] = [];
    for (const { number, value } of this.#message.fields) {
      if (this.#taken.has(number)) continue;
      if (value.kind === 'message' || value.kind === 'range')
        throw this.fault(`has field ${number}, which is too large`);
      fields.push({ number, value });
    }
    return fields;
  }

  fault(detail: string): Error {
    return invalidFile(this.#source, `${this.#title} ${detail}; it is damaged, or no ONNX model`);
  }

  /** The text of UTF-8. */
  textOf(bytes: Uint8Array): string {
    const text = decodeUtf8(bytes);
    // Bytes that are no UTF-8 come back as other ones.
    if (text.includes('\ufffd') && !sameBytes(encodeUtf8(text), bytes)) throw this.fault('has a text that is no UTF-8');
    return text;
  }
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

/** Packed signed numbers of up to 64 bits; null where the last one does not end. */
export function unpackedVarints(bytes: Uint8Array): bigint[] | null {
  const numbers: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) {
      if (shift >= 70n) return null;
      continue;
    }
    numbers.push(BigInt.asIntN(64, value));
    value = 0n;
    shift = 0n;
  }
  return shift === 0n ? numbers : null;
}
