import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** Numbers of `enum ggml_type`. */
const GGML_TYPES = {
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  IQ4_NL: 20,
  IQ4_XS: 23,
};

/**
 * llama.cpp's own library from the npm package `@node-llama-cpp/linux-x64`, called through koffi; null where that
 * package has no binary.
 */
export function openNative() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const koffi = require('koffi');
  const folder = path.dirname(path.dirname(require.resolve('@node-llama-cpp/linux-x64')));
  const library = koffi.load(path.join(folder, 'bins/linux-x64/libggml-base.so'));
  const quantize = library.func(
    'size_t ggml_quantize_chunk(int type, const float *source, void *target, int64_t start, int64_t rows, int64_t rowWeights, const float *importance)',
  );
  return {
    quantize: (type, weights, target) => quantize(GGML_TYPES[type], weights, target, 0, 1, weights.length, null),
  };
}
