import type { ByteRange, ByteSource } from '../../../io/byte-io.js';
import { elementCount } from '../../dtypes.js';
import { quoted } from '../../invalid-file.js';
import { rawBytes } from '../data-types.js';
import type { DataField, OnnxTensor, TensorData } from '../graph.js';
import { Fields } from './message.js';
import { EXTERNAL, FIELDS } from '../schema.js';
import type { RawMessage, RawValue } from './wire.js';

/** Far more dimensions than any operator takes. */
const MOST_RANK = 64;

const DATA_FIELDS: Readonly<Record<number, DataField>> = {
  4: 'float_data',
  5: 'int32_data',
  7: 'int64_data',
  9: 'raw_data',
  10: 'double_data',
  11: 'uint64_data',
};

/** What tensors are read with. */
export interface TensorContext {
  /** The model's own file. */
  readonly source: ByteSource;
  /** The files of external data, by what the model calls them. */
  readonly external: ReadonlyMap<string, ByteSource>;
}

/** Throws `invalid_file` for a tensor whose elements are not those that its shape demands. */
export function tensorOfRaw(message: RawMessage, { source, external }: TensorContext): OnnxTensor {
  const fields = new Fields(message, 'a tensor', source);
  const name = fields.text(FIELDS.tensor.name);
  const fault = (detail: string): Error => fields.fault(`${quoted(name ?? '')} ${detail}`);
  const dataType = Number(fields.varint(FIELDS.tensor.dataType) ?? 0n);
  const dims = fields.varints(FIELDS.tensor.dims).map(Number);
  const elements = elementCount(dims);
  if (Number.isNaN(elements) || dims.length > MOST_RANK) throw fault('has no valid shape');
  const location = externalOf(fields);
  const stored = storedData(fields);
  const data =
    location === null
      ? (stored ?? { kind: 'none' as const })
      : externalData(location, { dataType, elements }, external, fault);
  checkBytes(data, { dataType, elements }, fault);
  return { name, dataType, dims, data, rest: fields.rest };
}

/** Elements in one field, in one piece; what is otherwise goes with the rest. */
function storedData(fields: Fields): TensorData | null {
  const numbers = Object.keys(DATA_FIELDS).map(Number);
  const present = numbers.filter((number) => fields.has(number));
  const [number, ...others] = present;
  const field = number === undefined ? undefined : DATA_FIELDS[number];
  if (number === undefined || field === undefined || others.length > 0 || !fields.isWhole(number)) return null;
  const value = fields.take(number)[0];
  return value === undefined ? null : dataOf(field, value);
}

function dataOf(field: DataField, value: RawValue): TensorData | null {
  if (value.kind === 'range') return { kind: 'stored', field, range: value.range };
  return value.kind === 'bytes' ? { kind: 'bytes', field, bytes: value.bytes } : null;
}

/** Where the elements lie that are in another file. */
interface Location {
  readonly path: string;
  readonly offset: number;
  readonly length: number | undefined;
}

/** The file that a tensor's elements are in, as the model calls it; null where they are in the model's own. */
export function externalOf(fields: Fields): Location | null {
  const where = fields.peek(FIELDS.tensor.dataLocation).at(-1);
  if (where?.kind !== 'varint' || where.value !== EXTERNAL) return null;
  fields.take(FIELDS.tensor.dataLocation);
  const entries = new Map(fields.take(FIELDS.tensor.externalData).map((value) => entryOf(fields, value)));
  const numberOf = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = /^\d{1,16}$/u.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value))
      throw fields.fault(`says ${quoted(text)} where the ${key} of its elements should be`);
    return value;
  };
  return { path: entries.get('location') ?? '', offset: numberOf('offset') ?? 0, length: numberOf('length') };
}

/** A key and its value: two texts of fewer than 2^14 bytes, each with its tag and length before it. */
function entryOf(fields: Fields, value: RawValue): readonly [string, string] {
  const texts = ['', ''];
  const bytes = value.kind === 'bytes' ? value.bytes : Uint8Array.of(0);
  for (let at = 0; at < bytes.length;) {
    const [tag = 0, low = 0, high = 0] = bytes.subarray(at, at + 3);
    const [length, begin] = low < 0x80 ? [low, at + 2] : [(low & 0x7f) + high * 128, at + 3];
    const index = [0x0a, 0x12].indexOf(tag);
    if (index < 0 || (high >= 0x80 && low >= 0x80) || begin + length > bytes.length)
      throw fields.fault('does not say where its elements are');
    texts[index] = fields.textOf(bytes.subarray(begin, begin + length));
    at = begin + length;
  }
  return [texts[0] ?? '', texts[1] ?? ''];
}

function externalData(
  { path, offset, length }: Location,
  { dataType, elements }: { readonly dataType: number; readonly elements: number },
  external: ReadonlyMap<string, ByteSource>,
  fault: (detail: string) => Error,
): TensorData {
  const source = external.get(path);
  if (source === undefined) throw fault(`lies in ${quoted(path)}, which has not been opened`);
  const bytes = length ?? rawBytes(dataType, elements) ?? source.size - offset;
  if (offset + bytes > source.size || bytes < 0) {
    throw fault(`lies in bytes ${offset} to ${offset + bytes} of ${quoted(path)}, which has ${source.size}`);
  }
  const range: ByteRange = { source, begin: offset, bytes };
  return { kind: 'stored', field: 'raw_data', range };
}

/** Of fields of numbers the length can be said only for floats. */
function checkBytes(
  data: TensorData,
  { dataType, elements }: { readonly dataType: number; readonly elements: number },
  fault: (detail: string) => Error,
): void {
  if (data.kind !== 'stored' && data.kind !== 'bytes') return;
  const bytes = data.kind === 'stored' ? data.range.bytes : data.bytes.length;
  const width = { float_data: 4, double_data: 8 };
  const expected =
    data.field === 'raw_data'
      ? rawBytes(dataType, elements)
      : data.field === 'float_data' || data.field === 'double_data'
        ? elements * width[data.field] * (isComplex(dataType) ? 2 : 1)
        : undefined;
  if (expected !== undefined && bytes !== expected)
    throw fault(`has ${bytes} bytes of elements instead of ${expected}`);
}

const isComplex = (dataType: number): boolean => dataType === 14 || dataType === 15;
