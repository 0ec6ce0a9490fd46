/** Model files to measure with. */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { ggufFile, tinyLlama } from '../../tests/peers/tiny-llama.mjs';

/** Weights in F16 of a normal distribution's size; the same stretch over and over, as only its amount matters. */
function halfWeights(count) {
  const weights = new Uint16Array(count);
  let state = 12345;
  for (let i = 0; i < count; ++i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Exponents of 2^-8 to 2^-5, any sign and mantissa.
    weights[i] = ((state >>> 16) & 0x83ff) | ((7 + ((state >>> 8) & 3)) << 10);
  }
  return weights;
}

/** A safetensors file of F16 matrices, about `bytes` long. */
export function writeHalfModel(file, bytes) {
  const [rows, columns] = [4096, 4096];
  const matrix = new Uint8Array(halfWeights(rows * columns).buffer);
  const count = Math.round(bytes / matrix.length);
  const entries = Array.from({ length: count }, (_, i) => [
    `blocks.${i}.mlp.weight`,
    { dtype: 'F16', shape: [rows, columns], data_offsets: [i * matrix.length, (i + 1) * matrix.length] },
  ]);
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const handle = openSync(file, 'w');
  writeSync(handle, Buffer.concat([length, text]));
  for (let i = 0; i < count; ++i) writeSync(handle, matrix);
  closeSync(handle);
}

/** An F16 GGUF of 67 million weights, as llama.cpp loads it: one block with the sizes of a model of a billion. */
export function writeLanguageModel(file) {
  const model = tinyLlama({ layers: 1, width: 2048, hidden: 8192, heads: 32, kvHeads: 8 });
  writeFileSync(file, ggufFile(model));
}
