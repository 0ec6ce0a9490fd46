/** Reads what a GGUF says of itself, sharing nothing with the package; strict, so that no mistake of a writer is lost on it. */
import { Buffer } from 'node:buffer';

const kScalars = {
  0: ['u8', 1, 'readUInt8'],
  1: ['i8', 1, 'readInt8'],
  2: ['u16', 2, 'readUInt16LE'],
  3: ['i16', 2, 'readInt16LE'],
  4: ['u32', 4, 'readUInt32LE'],
  5: ['i32', 4, 'readInt32LE'],
  6: ['f32', 4, 'readFloatLE'],
  7: ['bool', 1, 'readUInt8'],
  10: ['u64', 8, 'readBigUInt64LE'],
  11: ['i64', 8, 'readBigInt64LE'],
  12: ['f64', 8, 'readDoubleLE'],
};
const kString = 8;
const kArray = 9;

/** By ggml's number: name, weights of a block, bytes of a block. */
const kTypes = {
  0: ['F32', 1, 4],
  1: ['F16', 1, 2],
  2: ['Q4_0', 32, 18],
  3: ['Q4_1', 32, 20],
  6: ['Q5_0', 32, 22],
  7: ['Q5_1', 32, 24],
  8: ['Q8_0', 32, 34],
  10: ['Q2_K', 256, 84],
  11: ['Q3_K', 256, 110],
  12: ['Q4_K', 256, 144],
  13: ['Q5_K', 256, 176],
  14: ['Q6_K', 256, 210],
  20: ['IQ4_NL', 32, 18],
  23: ['IQ4_XS', 256, 136],
  24: ['I8', 1, 1],
  25: ['I16', 1, 2],
  26: ['I32', 1, 4],
  27: ['I64', 1, 8],
  28: ['F64', 1, 8],
  30: ['BF16', 1, 2],
};

/** Throws when `condition` does not hold. */
export function must(condition, why) {
  if (!condition) throw new Error(why);
}

class Reader {
  #at = 0;

  constructor(bytes) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position() {
    return this.#at;
  }

  scalar(type) {
    const [, size, read] = kScalars[type];
    const value = this.bytes[read](this.#at);
    this.#at += size;
    return typeof value === 'bigint' ? Number(value) : value;
  }

  string() {
    const length = this.scalar(10);
    must(this.#at + length <= this.bytes.length, 'a string ends beyond the file');
    return this.bytes.toString('utf8', this.#at, (this.#at += length));
  }

  value() {
    const type = this.scalar(4);
    if (type === kString) return { type: 'string', value: this.string() };
    if (type !== kArray) return { type: kScalars[type][0], value: this.scalar(type) };
    const element = this.scalar(4);
    const value = Array.from({ length: this.scalar(10) }, () =>
      element === kString ? this.string() : this.scalar(element),
    );
    return { type: `${element === kString ? 'string' : kScalars[element][0]}[]`, value };
  }
}

/**
 * `keyValues`: a map of `{ type, value }`; `tensors`: `{ name, type, shape }`, where shapes begin with the slowest extent.
 * Throws for what ggml's and gguf-py's readers do not take: names and keys that are there twice, rows of no whole blocks,
 * data that do not follow each other or end beyond the file.
 */
export function readGguf(file) {
  const reader = new Reader(file);
  must(reader.bytes.toString('latin1', 0, 4) === 'GGUF', 'the file begins with no GGUF');
  reader.scalar(4);
  must(reader.scalar(4) === 3, 'the version is not 3');
  const [tensorCount, keyCount] = [reader.scalar(10), reader.scalar(10)];
  const keyValues = new Map();
  for (let index = 0; index < keyCount; ++index) {
    const key = reader.string();
    must(!keyValues.has(key), `the key ${key} is there twice`);
    keyValues.set(key, reader.value());
  }
  const tensors = Array.from({ length: tensorCount }, () => {
    const name = reader.string();
    const shape = Array.from({ length: reader.scalar(4) }, () => reader.scalar(10)).reverse();
    return { name, shape, type: reader.scalar(4), offset: reader.scalar(10) };
  });
  must(new Set(tensors.map(({ name }) => name)).size === tensorCount, 'a name is there twice');
  const alignment = keyValues.get('general.alignment')?.value ?? 32;
  const padded = (bytes) => Math.ceil(bytes / alignment) * alignment;
  const start = padded(reader.position);
  let next = 0;
  for (const tensor of tensors) {
    must(kTypes[tensor.type] !== undefined, `${tensor.name} has the type ${tensor.type}`);
    const [type, weights, bytes] = kTypes[tensor.type];
    const row = tensor.shape.at(-1) ?? 1;
    must(row % weights === 0, `a row of ${tensor.name} is ${row}, no whole blocks of ${type}`);
    must(tensor.offset === next, `${tensor.name} does not follow the tensor before it`);
    next += padded((tensor.shape.reduce((count, extent) => count * extent, 1) / weights) * bytes);
    tensor.type = type;
  }
  must(start + next <= reader.bytes.length, 'the data end beyond the file');
  return { keyValues, tensors };
}
