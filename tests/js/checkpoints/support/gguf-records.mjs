/** A GGUF file as tests/golden/checkpoints/*\/case.json writes it down, read without the code under test. */
import { createHash } from 'node:crypto';

const ALIGNMENT = 32;
/** Longer texts and arrays are told by the digest of their bytes. */
const LONGEST_TEXT = 400;
const LONGEST_ARRAY = 16;

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** By number: what a value's type is called, its bytes, and how it is read. */
const SCALARS = {
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
const STRING = 8;
const ARRAY = 9;

/** By number: name, weights and bytes of a block. */
const TENSOR_TYPES = { 0: ['F32', 1, 4], 1: ['F16', 1, 2], 8: ['Q8_0', 32, 34], 30: ['BF16', 1, 2] };

class Cursor {
  at = 24;
  constructor(file) {
    this.file = file;
  }
  take(bytes) {
    this.at += bytes;
    return this.at - bytes;
  }
  u32 = () => this.file.readUInt32LE(this.take(4));
  u64 = () => Number(this.file.readBigUInt64LE(this.take(8)));
  string() {
    const bytes = this.u64();
    return this.file.toString('utf8', this.take(bytes), this.at);
  }
  scalar(type) {
    if (type === STRING) return this.string();
    const [, bytes, read] = SCALARS[type];
    const value = this.file[read](this.take(bytes));
    return type === 7 ? value !== 0 : typeof value === 'bigint' ? Number(value) : value;
  }
}

const typeName = (type) => (type === STRING ? 'str' : SCALARS[type][0]);

function arrayRecord(cursor, key) {
  const element = cursor.u32();
  const length = cursor.u64();
  const begin = cursor.at;
  const value = Array.from({ length }, () => cursor.scalar(element));
  const record = { key, type: `array<${typeName(element)}>`, length };
  return length <= LONGEST_ARRAY
    ? { ...record, value }
    : { ...record, sha256: sha256(cursor.file.subarray(begin, cursor.at)), value };
}

function pairRecord(cursor) {
  const key = cursor.string();
  const type = cursor.u32();
  if (type === ARRAY) return arrayRecord(cursor, key);
  const begin = cursor.at;
  const value = cursor.scalar(type);
  const bytes = cursor.file.subarray(begin, cursor.at);
  const record = { key, type: typeName(type), value };
  if (type === STRING && [...value].length > LONGEST_TEXT)
    return { ...record, length: bytes.length - 8, sha256: sha256(bytes.subarray(8)) };
  return type === 6 ? { ...record, bits: `0x${bytes.readUInt32LE(0).toString(16).padStart(8, '0')}` } : record;
}

/**
 * Pairs in their order, and tensors as [name, extents with the fastest first, type, offset, bytes, SHA-256].
 *
 * @param {Buffer} file
 */
export function ggufRecords(file) {
  if (file.toString('latin1', 0, 4) !== 'GGUF') throw new Error('not a GGUF file');
  const [tensorCount, pairCount] = [8, 16].map((at) => Number(file.readBigUInt64LE(at)));
  const cursor = new Cursor(file);
  const pairs = Array.from({ length: pairCount }, () => pairRecord(cursor));
  const entries = Array.from({ length: tensorCount }, () => {
    const name = cursor.string();
    const extents = Array.from({ length: cursor.u32() }, cursor.u64);
    return { name, extents, type: cursor.u32(), offset: cursor.u64() };
  });
  const start = Math.ceil(cursor.at / ALIGNMENT) * ALIGNMENT;
  const tensors = entries.map(({ name, extents, type, offset }) => {
    const [label, blockWeights, blockBytes] = TENSOR_TYPES[type] ?? [`type ${type}`, 1, 0];
    const bytes = (extents.reduce((count, extent) => count * extent, 1) / blockWeights) * blockBytes;
    const data = file.subarray(start + offset, start + offset + bytes);
    return [name, extents, label, offset, bytes, sha256(data)];
  });
  return { pairs, tensors };
}
