/** Makes and reads GGUF files for the tests, sharing nothing with the package. */
import path from 'node:path';

const kTypeNumbers = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};
const kTypeNames = Object.keys(kTypeNumbers);

/** By number: weights and bytes of a block, of the types that the tests use. */
export const kBlocks = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  8: [32, 34],
  9: [32, 36],
  12: [256, 144],
  16: [256, 66],
  26: [1, 4],
  30: [1, 2],
  39: [32, 17],
};

const kWriters = {
  u8: [1, 'writeUInt8'],
  i8: [1, 'writeInt8'],
  bool: [1, 'writeUInt8'],
  u16: [2, 'writeUInt16LE'],
  i16: [2, 'writeInt16LE'],
  u32: [4, 'writeUInt32LE'],
  i32: [4, 'writeInt32LE'],
  f32: [4, 'writeFloatLE'],
  u64: [8, 'writeBigUInt64LE'],
  i64: [8, 'writeBigInt64LE'],
  f64: [8, 'writeDoubleLE'],
};

function number(type, value) {
  const [bytes, method] = kWriters[type];
  const buffer = Buffer.alloc(bytes);
  buffer[method](bytes === 8 && type !== 'f64' ? BigInt(value) : Number(value));
  return buffer;
}
const u32 = (value) => number('u32', value);
const u64 = (value) => number('u64', value);

/** A string: text or bytes, and the length that it announces. */
export function string(content, length = undefined) {
  const bytes = Buffer.from(content);
  return Buffer.concat([u64(length ?? bytes.length), bytes]);
}

/** An array of `{ of, values }`; `count` is what it announces. */
export const array = ({ of, values, count = values.length }) =>
  Buffer.concat([u32(kTypeNumbers[of] ?? of), u64(count), ...values.map((value) => encoded(of, value))]);

const encoded = (type, value) => {
  if (Buffer.isBuffer(value)) return value;
  if (type === 'string') return string(value);
  return type === 'array' ? array(value) : number(type, value);
};

/** A pair `[key, type, value]`; the type may be a number, and a value raw bytes. */
const pair = ([key, type, value]) =>
  Buffer.concat([string(key), u32(kTypeNumbers[type] ?? type), encoded(type, value)]);

/** The description of `{ name, ne, type, offset }`, `ne` in the file's order. */
const info = ({ name, ne, type, offset, rank = ne.length }) =>
  Buffer.concat([string(name), u32(rank), ...ne.map(u64), u32(type), u64(offset)]);

const padded = (bytes, alignment) =>
  Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)]);

export const tensorBytes = ({ ne, type }) =>
  (ne.reduce((count, extent) => count * extent, 1) / kBlocks[type][0]) * kBlocks[type][1];

/** `{ name, ne, type }` with bytes of its own, the same in every run. */
export function ggufTensor(name, ne, type) {
  const bytes = Buffer.alloc(tensorBytes({ ne, type }));
  for (let at = 0; at < bytes.length; ++at) bytes[at] = (at * 7 + name.length * 31 + type) & 255;
  return { name, ne, type, bytes };
}

/**
 * A file of `{ name, ne, type, bytes, offset? }` in that order; everything that it says of itself can be overridden.
 * `data` takes the place of the tensors' bytes.
 */
export function ggufFile({
  magic = 'GGUF',
  version = 3,
  pairs = [],
  tensors = [],
  alignment = 32,
  tensorCount = tensors.length,
  pairCount = pairs.length,
  data = undefined,
}) {
  let reached = 0;
  const infos = tensors.map((tensor) => {
    const offset = tensor.offset ?? reached;
    reached += padded(tensor.bytes, alignment).length;
    return info({ ...tensor, offset });
  });
  const counts = [Buffer.from(magic), u32(version), u64(tensorCount), u64(pairCount)];
  const header = Buffer.concat([...counts, ...pairs.map(pair), ...infos]);
  return Buffer.concat([
    padded(header, alignment),
    data ?? Buffer.concat(tensors.map(({ bytes }) => padded(bytes, alignment))),
  ]);
}

/** Version, pairs by key as `{ type, value }`, tensors as `{ name, ne, type, begin, bytes }` of a right file. */
export function parseGguf(file) {
  let at = 4;
  const next = (bytes) => (at += bytes) - bytes;
  const length = () => Number(file.readBigUInt64LE(next(8)));
  const text = () => {
    const bytes = length();
    const begin = next(bytes);
    return file.toString('utf8', begin, begin + bytes);
  };
  const value = (type) => {
    if (type === 'string') return text();
    if (type !== 'array') {
      const [bytes, method] = kWriters[type];
      const read = file[method.replace('write', 'read')](next(bytes));
      return type === 'bool' ? read === 1 : read;
    }
    const of = kTypeNames[file.readUInt32LE(next(4))];
    return Array.from({ length: length() }, () => value(of));
  };
  if (file.toString('latin1', 0, 4) !== 'GGUF') throw new Error('no GGUF file');
  const version = file.readUInt32LE(next(4));
  const [tensorCount, pairCount] = [length(), length()];
  const pairs = new Map();
  for (let index = 0; index < pairCount; ++index) {
    const key = text();
    const type = kTypeNames[file.readUInt32LE(next(4))];
    pairs.set(key, { type, value: value(type) });
  }
  const listed = Array.from({ length: tensorCount }, () => {
    const name = text();
    const ne = Array.from({ length: file.readUInt32LE(next(4)) }, length);
    return { name, ne, type: file.readUInt32LE(next(4)), offset: length() };
  });
  const alignment = pairs.get('general.alignment')?.value ?? 32;
  const dataBegin = Math.ceil(at / alignment) * alignment;
  const tensors = listed.map(({ offset, ...tensor }) => {
    const begin = dataBegin + offset;
    return { ...tensor, begin, bytes: file.subarray(begin, begin + tensorBytes(tensor)) };
  });
  return { version, pairs, tensors, alignment, dataBegin, headerBytes: at };
}

/** A source over bytes in memory, which has no siblings: shards are served (served-shards.mjs). Says how many bytes were read. */
export function memorySource(bytes, name = 'in.gguf') {
  const source = {
    name,
    fileName: path.basename(name),
    size: bytes.length,
    bytesRead: 0,
    async read(into, position) {
      if (position + into.length > bytes.length) throw new Error('read beyond the end');
      source.bytesRead += into.length;
      into.set(bytes.subarray(position, position + into.length));
    },
    sibling: (other) => Promise.reject(new Error(`no file beside memory: ${other}`)),
    checkUnchanged: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return source;
}

/** A source that says it has `size` bytes: `head`, then zeros. */
export function longSource(head, size) {
  const source = memorySource(head);
  source.size = size;
  source.read = async (into, position) => {
    source.bytesRead += into.length;
    into.fill(0);
    if (position < head.length) into.set(head.subarray(position, position + into.length));
  };
  return source;
}
