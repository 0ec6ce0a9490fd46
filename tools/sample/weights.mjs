/** Fills tensors with numbers that are distributed as those of trained models are. */

const kTableSize = 1 << 16;
const kOutlierShare = 0.01;
const kOutlierFactor = 12;

/** Quantiles of Student's t with 4 degrees of freedom, whose tails are those of trained weights; spread 1. */
const kHeavyTailed = Float32Array.from({ length: kTableSize }, (_, index) => {
  const probability = (index + 0.5) / kTableSize;
  const root = Math.sqrt(4 * probability * (1 - probability));
  const value = 2 * Math.sqrt(Math.cos(Math.acos(root) / 3) / root - 1);
  return (Math.sign(probability - 0.5) * value) / Math.SQRT2;
});

/** The bytes of a tensor. Depends on its name, its shape and the seed only. */
export function fillWeights({ name, dtype, shape, kind }, bytes, seed) {
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (kind === 'positions') return positions(count);
  const values = new Float32Array(count);
  const random = generator(hash(name) ^ seed);
  if (kind === 'norm') fill(values, random, 1, 0.1);
  else if (kind === 'bias') fill(values, random, 0, 0.02);
  else if (kind === 'embedding') fill(values, random, 0, 0.02);
  else fillChannels(values, random, shape);
  return encode(values, dtype, bytes);
}

/** The weights of one output channel share a spread; a few channels are far wider than the others. */
function fillChannels(values, random, [channels, ...rest]) {
  const inputs = rest.reduce((product, extent) => product * extent, 1);
  for (let channel = 0; channel < channels; ++channel) {
    const unit = () => (random() >>> 0) / 2 ** 32;
    const usual = (0.5 + unit()) / Math.sqrt(inputs);
    const spread = unit() < kOutlierShare ? usual * kOutlierFactor : usual;
    fill(values.subarray(channel * inputs, (channel + 1) * inputs), random, 0, spread);
  }
}

function fill(values, random, center, spread) {
  for (let index = 0; index < values.length; ++index) {
    const bits = random();
    // The low bits move the value a little off the table's: there are more than 65,536 different weights.
    const value = kHeavyTailed[bits >>> 16] * (1 + ((bits & 0xffff) - 0x8000) * 2 ** -20);
    values[index] = center + spread * value;
  }
}

function positions(count) {
  const bytes = Buffer.alloc(count * 8);
  for (let index = 0; index < count; ++index) bytes.writeBigInt64LE(BigInt(index), index * 8);
  return bytes;
}

function encode(values, dtype, bytes) {
  if (dtype === 'F32') return new Uint8Array(values.buffer, 0, bytes);
  const bits = new Uint32Array(values.buffer);
  const halves = new Uint16Array(values.length);
  const convert = dtype === 'F16' ? toHalf : toBfloat16;
  for (let index = 0; index < halves.length; ++index) halves[index] = convert(bits[index]);
  return new Uint8Array(halves.buffer, 0, bytes);
}

/** Bits of an f32 as those of a bfloat16, rounded half to even. */
const toBfloat16 = (bits) => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;

/** Bits of an f32 as those of an f16, rounded half to even; subnormals become 0, what is too large the largest number. */
function toHalf(bits) {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude < 0x38800000) return sign;
  if (magnitude > 0x477fe000) return sign | 0x7bff;
  // 112 is the difference of the exponents' biases, 127 - 15.
  return sign | ((magnitude - (112 << 23) + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** A 32-bit generator (xorshift with a Weyl sequence). */
function generator(seed) {
  let state = seed | 1;
  let weyl = 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    weyl = (weyl + 0x9e3779b9) | 0;
    return (state + weyl) | 0;
  };
}

/** FNV-1a. */
function hash(text) {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  return value;
}
