import { readFileSync } from 'node:fs';
import path from 'node:path';

/** Element types: name, bits of an element, and where its values lie when they are not in raw_data. */
const kTypes = {
  1: ['FLOAT', 32, 'floatData', Float32Array],
  2: ['UINT8', 8, 'int32Data', Uint8Array],
  3: ['INT8', 8, 'int32Data', Int8Array],
  4: ['UINT16', 16, 'int32Data', Uint16Array],
  5: ['INT16', 16, 'int32Data', Int16Array],
  6: ['INT32', 32, 'int32Data', Int32Array],
  7: ['INT64', 64, 'int64Data', BigInt64Array],
  8: ['STRING', 0, 'stringData'],
  9: ['BOOL', 8, 'int32Data', Uint8Array],
  10: ['FLOAT16', 16, 'int32Data', Uint16Array],
  11: ['DOUBLE', 64, 'doubleData', Float64Array],
  12: ['UINT32', 32, 'uint64Data', Uint32Array],
  13: ['UINT64', 64, 'uint64Data', BigUint64Array],
  16: ['BFLOAT16', 16, 'int32Data', Uint16Array],
  21: ['UINT4', 4, 'int32Data', Uint8Array],
  22: ['INT4', 4, 'int32Data', Uint8Array],
  25: ['UINT2', 2, 'int32Data', Uint8Array],
  26: ['INT2', 2, 'int32Data', Uint8Array],
};

/** How ONNX calls an element type, `UNDEFINED` when there is none. */
export const typeName = (type) => (type === 0 ? 'UNDEFINED' : (kTypes[type]?.[0] ?? `TYPE_${type}`));

/**
 * The bytes of a tensor as raw_data would have them, from whichever field or file they lie in.
 *
 * @param {object} tensor as decodeModel gives it
 * @param {string} [folder] where files of external data are
 * @throws {Error} when the number of bytes is not what type and shape ask for
 */
export function tensorBytes(tensor, folder) {
  const [name, bits, field, array] = kTypes[tensor.dataType] ?? [];
  if (name === undefined) throw new Error(`${tensor.name}: type ${tensor.dataType}`);
  if (name === 'STRING') return Buffer.concat(tensor.stringData.flatMap((text) => [Buffer.from(text), Buffer.of(0)]));
  const bytes = storedBytes(tensor, folder) ?? typedBytes(tensor[field], array);
  const expected = Math.ceil((elements(tensor) * bits) / 8);
  if (bytes.length !== expected) throw new Error(`${tensor.name}: ${bytes.length} bytes, not ${expected}`);
  return bytes;
}

const elements = (tensor) => tensor.dims.reduce((product, dim) => product * Number(dim), 1);

function storedBytes(tensor, folder) {
  if (tensor.dataLocation === 1) return externalBytes(tensor, folder);
  return tensor.rawData.length > 0 ? Buffer.from(tensor.rawData) : undefined;
}

function externalBytes(tensor, folder) {
  const {
    location,
    offset = '0',
    length,
  } = Object.fromEntries(tensor.externalData.map(({ key, value }) => [key, value]));
  if (folder === undefined) throw new Error(`${tensor.name}: its data are in ${location}`);
  const file = readFileSync(path.join(folder, location));
  return file.subarray(Number(offset), length === undefined ? file.length : Number(offset) + Number(length));
}

function typedBytes(values, array) {
  const isLong = array === BigInt64Array || array === BigUint64Array;
  const typed = array.from(values, isLong ? BigInt : Number);
  return Buffer.from(typed.buffer);
}
