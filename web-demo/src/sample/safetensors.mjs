/** Tensors as the pieces of a safetensors file, each made when it is asked for. */

import { hashOf, Random } from './random.mjs';

/**
 * @import { Fill } from './weights.mjs'
 * @typedef {'F32' | 'F16' | 'BF16'} SampleType
 * @typedef {{readonly name: string, readonly dtype: SampleType, readonly shape: readonly number[], readonly fill: Fill}} SampleTensor
 */

const SEED = 20240117;

/** @type {Readonly<Record<SampleType, number>>} */
const ELEMENT_BYTES = { F32: 4, F16: 2, BF16: 2 };

/** @param {SampleTensor} tensor */
const elementsOf = ({ shape }) => shape.reduce((product, extent) => product * extent, 1);

/**
 * First the header, then the bytes of one tensor after the other, in the order of the list. They depend on its name, its shape
 * and its type.
 *
 * @param {readonly SampleTensor[]} tensors
 * @returns {Generator<Uint8Array<ArrayBuffer>>}
 */
export function* safetensors(tensors) {
  yield header(tensors);
  for (const tensor of tensors) {
    const values = new Float32Array(elementsOf(tensor));
    tensor.fill(values, new Random(SEED ^ hashOf(tensor.name)), tensor.shape[0] ?? 1);
    yield encoded(values, tensor.dtype);
  }
}

/**
 * Eight bytes with the length of the JSON, then the JSON, padded to a multiple of eight.
 *
 * @param {readonly SampleTensor[]} tensors
 */
function header(tensors) {
  let end = 0;
  const entries = tensors.map((tensor) => {
    const begin = end;
    end += elementsOf(tensor) * ELEMENT_BYTES[tensor.dtype];
    return [tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] }];
  });
  const json = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) });
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

/** @type {(values: Float32Array<ArrayBuffer>, dtype: SampleType) => Uint8Array<ArrayBuffer>} */
function encoded(values, dtype) {
  if (dtype === 'F32') return new Uint8Array(values.buffer);
  const round = dtype === 'F16' ? halfBits : bfloat16Bits;
  const bits = new Uint32Array(values.buffer);
  const halves = new Uint16Array(values.length);
  for (let index = 0; index < halves.length; ++index) halves[index] = round(bits[index] ?? 0);
  return new Uint8Array(halves.buffer);
}

/**
 * Rounds half to even.
 *
 * @param {number} bits
 */
const bfloat16Bits = (bits) => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;

/**
 * Rounds half to even; what is below the smallest normal half becomes 0. The samples have nothing too large.
 *
 * @param {number} bits
 */
function halfBits(bits) {
  const magnitude = bits & 0x7fffffff;
  const sign = (bits >>> 16) & 0x8000;
  // 0x38800000 is 2^-14 as f32; the exponents' biases differ by 127 - 15 = 112.
  return magnitude < 0x38800000 ? sign : sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}
