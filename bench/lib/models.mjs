/** Model files to measure with. */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { ggufFile, tinyLlama } from '../../tests/peers/tiny-llama.mjs';

/** Weights in F16 of a normal distribution's size. */
function halfWeights(count, seed) {
  const weights = new Uint16Array(count);
  let state = seed;
  for (let i = 0; i < count; ++i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Exponents of 2^-8 to 2^-5, any sign and mantissa.
    weights[i] = ((state >>> 16) & 0x83ff) | ((7 + ((state >>> 8) & 3)) << 10);
  }
  return weights;
}

/** What a safetensors file of these tensors begins with: they follow it, in this order and without gaps. */
function safetensorsHeader(tensors) {
  let at = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }) => {
    at += bytes;
    return [name, { dtype, shape, data_offsets: [at - bytes, at] }];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

/** A safetensors file of `count` F16 tensors of a known family, with the same weights: only their amount matters. */
function writeRepeated(file, count, shape, seed) {
  const weights = halfWeights(shape[0] * shape[1], seed);
  const tensor = new Uint8Array(weights.buffer);
  const nameOf = (i) => `double_blocks.${i}.img_attn.proj.weight`;
  const one = { dtype: 'F16', shape, bytes: tensor.length };
  const tensors = Array.from({ length: count }, (_, i) => ({ name: nameOf(i), ...one }));
  const handle = openSync(file, 'w');
  writeSync(handle, safetensorsHeader(tensors));
  for (let i = 0; i < count; ++i) writeSync(handle, tensor);
  closeSync(handle);
}

/** A safetensors file of F16 matrices, about `bytes` long. Another seed gives other weights. */
export function writeHalfModel(file, bytes, seed = 12345) {
  const [rows, columns] = [4096, 4096];
  writeRepeated(file, Math.round(bytes / (rows * columns * 2)), [rows, columns], seed);
}

/** A safetensors file of `count` F16 tensors of a few weights, a multiple of 128. */
export function writeTinyModel(file, count, weights) {
  writeRepeated(file, count, [weights / 128, 128], 12345);
}

/** The bytes of a safetensors file of fp8 tensors of 2^k bytes, each with its scale beside it. */
export function scaledFp8Model(count, bytes) {
  const tensors = Array.from({ length: count }, (_, i) => [
    { name: `double_blocks.${i}.img_attn.proj.scale_weight`, dtype: 'F32', shape: [], bytes: 4 },
    { name: `double_blocks.${i}.img_attn.proj.weight`, dtype: 'F8_E4M3', shape: [bytes / 1024, 1024], bytes },
  ]).flat();
  const scale = Buffer.from(new Float32Array([0.01]).buffer);
  // 0x31 is 0.28, an ordinary weight.
  const weights = Buffer.alloc(bytes, 0x31);
  return Buffer.concat([
    safetensorsHeader(tensors),
    ...tensors.map(({ dtype }) => (dtype === 'F32' ? scale : weights)),
  ]);
}

/** An F16 GGUF of 67 million weights, as llama.cpp loads it: one block with the sizes of a model of a billion. */
export function writeLanguageModel(file) {
  const model = tinyLlama({ layers: 1, width: 2048, hidden: 8192, heads: 32, kvHeads: 8 });
  writeFileSync(file, ggufFile(model));
}
