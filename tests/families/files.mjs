/** Files of the models of this folder, with weights that differ and are of no use. */
import { Buffer } from 'node:buffer';
import { ggufFile } from '../js/support/models/gguf.mjs';
import { narrowed } from './models/index.mjs';

const kBytes = { F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, I64: 8 };
/** By type, the bits of a weight near 1 whose last bits and sign are those of `bits`: no weight is too large for any type. */
const kNearOne = {
  F32: (bits) => 0x3d800000 | (bits & 0x807fffff),
  F16: (bits) => 0x2800 | (bits & 0x83ff),
  BF16: (bits) => 0x3d00 | (bits & 0x80ff),
  F8_E4M3: (bits) => 0x28 | (bits & 0x87),
  I64: () => 0,
};
const kPatternWeights = 1 << 16;

/** Weights that one tensor after the other takes from, each from another place. */
function patternOf(dtype) {
  const bytes = Buffer.alloc(kPatternWeights * kBytes[dtype]);
  let state = 1;
  for (let index = 0; index < kPatternWeights; ++index) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const bits = kNearOne[dtype](state >>> 7 || state);
    if (dtype === 'F32') bytes.writeInt32LE(bits | 0, index * 4);
    else if (kBytes[dtype] === 2) bytes.writeUInt16LE(bits & 0xffff, index * 2);
    else if (dtype === 'F8_E4M3') bytes.writeUInt8(bits & 0xff, index);
  }
  return bytes;
}

/** Twice, so that there is a whole one from any place in the first. */
const kPatterns = Object.fromEntries(
  Object.keys(kBytes).map((dtype) => [dtype, Buffer.concat([patternOf(dtype), patternOf(dtype)])]),
);

function weightsOf(dtype, elements, index) {
  const from = ((index * 7919) % kPatternWeights) * kBytes[dtype];
  const size = elements * kBytes[dtype];
  const bytes = kPatterns[dtype].subarray(from, from + kPatternWeights * kBytes[dtype]);
  return size <= bytes.length ? bytes.subarray(0, size) : Buffer.alloc(size, bytes);
}

/** A safetensors file of the model, narrow and with weights of the type `dtype`. */
export function fileOf(model, dtype, tensors = narrowed(model)) {
  const header = model.metadata === undefined ? {} : { __metadata__: model.metadata };
  const parts = [];
  let begin = 0;
  tensors.forEach(({ name, shape, elements, isInteger }, index) => {
    const type = isInteger ? 'I64' : dtype;
    const bytes = weightsOf(type, elements, index);
    header[name] = { dtype: type, shape, data_offsets: [begin, begin + bytes.length] };
    begin += bytes.length;
    parts.push(bytes);
  });
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}

const kGgmlTypes = { F16: 1, BF16: 30, F32: 0 };

/** A GGUF of the model, narrow and with weights of the type `dtype`, that calls itself `architecture` where one is given. */
export const ggufOf = (model, dtype, architecture) =>
  ggufFile({
    pairs: architecture === undefined ? [] : [['general.architecture', 'string', architecture]],
    tensors: narrowed(model).map(({ name, shape, elements }, index) => ({
      ...{ name, ne: shape.toReversed(), type: kGgmlTypes[dtype] },
      bytes: weightsOf(dtype, elements, index),
    })),
  });
