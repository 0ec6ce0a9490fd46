/** Makes and reads safetensors files for the tests, sharing nothing with the package. */
import { randomWeights } from '../weights.mjs';

const kBytes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1, BOOL: 1 };
const scratch = new DataView(new ArrayBuffer(8));

const product = (shape) => shape.reduce((count, extent) => count * extent, 1);

/** A file out of the text of its header and the bytes of its data; `length` is what it says of its header's length. */
export function rawFile(header, data = new Uint8Array(), length = undefined) {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length ?? text.length));
  return Buffer.concat([prefix, text, Buffer.from(data)]);
}

/** A right file of `{ name, dtype, shape, bytes }`, in that order. */
export function modelFile(tensors, metadata = undefined) {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }) => {
    const begin = end;
    end += bytes.length;
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`;
  });
  if (metadata !== undefined) entries.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  return rawFile(`{${entries.join(',')}}`, Buffer.concat(tensors.map(({ bytes }) => bytes)));
}

/** The parts of a file: metadata, and by name dtype, shape and bytes, with `begin` in the file. */
export function readModel(file) {
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(file.toString('utf8', 8, 8 + length));
  const tensors = new Map(
    Object.entries(entries).map(([name, { dtype, shape, data_offsets: offsets }]) => {
      const [begin, end] = offsets.map((offset) => 8 + length + offset);
      return [name, { name, dtype, shape, begin, bytes: file.subarray(begin, end) }];
    }),
  );
  return { metadata, tensors, headerLength: length };
}

export const float32Tensor = (name, shape, seed = 1) =>
  fromFloats(name, 'F32', shape, randomWeights(product(shape), seed));
export const halfTensor = (name, shape, seed = 1) =>
  fromFloats(name, 'F16', shape, randomWeights(product(shape), seed));
export const bfloatTensor = (name, shape, seed = 1) =>
  fromFloats(name, 'BF16', shape, randomWeights(product(shape), seed));

/** A tensor of these values, cut off (not rounded) to `dtype`. */
export function fromFloats(name, dtype, shape, values) {
  const bytes = Buffer.alloc(product(shape) * kBytes[dtype]);
  values.forEach((value, index) => {
    if (dtype === 'F32') bytes.writeFloatLE(value, index * 4);
    else bytes.writeUInt16LE(dtype === 'F16' ? halfBits(value) : floatBits(value) >>> 16, index * 2);
  });
  return { name, dtype, shape, bytes };
}

/** The tensor's values. */
export function floatsOf({ dtype, bytes }) {
  const values = new Float32Array(bytes.length / kBytes[dtype]);
  for (let index = 0; index < values.length; ++index) {
    if (dtype === 'F32') values[index] = bytes.readFloatLE(index * 4);
    else if (dtype === 'F16') values[index] = halfValue(bytes.readUInt16LE(index * 2));
    else values[index] = floatValue(bytes.readUInt16LE(index * 2) << 16);
  }
  return values;
}

function floatBits(value) {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

function floatValue(bits) {
  scratch.setInt32(0, bits);
  return scratch.getFloat32(0);
}

/** By the definition of the format: sign, five bits of exponent, ten of fraction. */
function halfValue(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Cut off, out of the fields of a float32: tests make millions of these. */
function halfBits(value) {
  const bits = floatBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 255;
  const fraction = bits & 0x7fffff;
  if (exponent === 255 && fraction !== 0) return 0x7e00;
  if (exponent >= 143) return sign | 0x7c00;
  if (exponent >= 113) return sign | ((exponent - 112) << 10) | (fraction >> 13);
  return exponent >= 102 ? sign | ((fraction | 0x800000) >> (126 - exponent)) : sign;
}

/** Restores a quantized tensor as docs/formats.md says. */
export function restore(model, name) {
  const { bits, group_size: groupSize, shape } = JSON.parse(model.metadata.arrowquant).tensors[name];
  const count = product(shape);
  const packed = model.tensors.get(name).bytes;
  const scales = floatsOf(model.tensors.get(`${name}.scales`));
  const zeroPoints = model.tensors.get(`${name}.zero_points`).bytes;
  const values = new Float32Array(count);
  for (let index = 0; index < count; ++index) {
    const group = groupSize === 'tensor' ? 0 : Math.floor(index / groupSize);
    const bit = index * bits;
    const level = (packed[bit >> 3] >> (bit & 7)) & (2 ** bits - 1);
    values[index] = (level - zeroPoints[group]) * scales[group];
  }
  return values;
}
