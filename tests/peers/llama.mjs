import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** What llama.cpp says of each block format: its number in `enum ggml_type`, weights and bytes of a block. */
export const LLAMA_TYPES = {
  Q4_0: { type: 2, blockWeights: 32, blockBytes: 18 },
  Q4_1: { type: 3, blockWeights: 32, blockBytes: 20 },
  Q5_0: { type: 6, blockWeights: 32, blockBytes: 22 },
  Q5_1: { type: 7, blockWeights: 32, blockBytes: 24 },
  Q8_0: { type: 8, blockWeights: 32, blockBytes: 34 },
  Q2_K: { type: 10, blockWeights: 256, blockBytes: 84 },
  Q3_K: { type: 11, blockWeights: 256, blockBytes: 110 },
  Q4_K: { type: 12, blockWeights: 256, blockBytes: 144 },
  Q5_K: { type: 13, blockWeights: 256, blockBytes: 176 },
  Q6_K: { type: 14, blockWeights: 256, blockBytes: 210 },
  IQ4_NL: { type: 20, blockWeights: 32, blockBytes: 18 },
  IQ4_XS: { type: 23, blockWeights: 256, blockBytes: 136 },
};

/**
 * llama.cpp's own quantizers, without an importance matrix; null where the npm package has no library for the platform.
 *
 * @returns {null | {encode: (name: string, weights: Float32Array) => Uint8Array,
 *   decode: (name: string, bytes: Uint8Array) => Float32Array}}
 */
export function openLlama() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const koffi = require('koffi');
  const folder = path.dirname(path.dirname(require.resolve('@node-llama-cpp/linux-x64')));
  const library = koffi.load(path.join(folder, 'bins/linux-x64/libggml-base.so'));
  const quantize = library.func(
    'size_t ggml_quantize_chunk(int type, const float *from, void *to, int64_t start, int64_t rows, int64_t row, const float *importance)',
  );
  const dequantizers = new Map();
  const dequantizer = (name) => {
    if (!dequantizers.has(name)) {
      const symbol = name.startsWith('IQ') ? name.toLowerCase() : name.replace('Q', 'q');
      dequantizers.set(name, library.func(`void dequantize_row_${symbol}(const void *from, void *to, int64_t count)`));
    }
    return dequantizers.get(name);
  };
  return {
    encode(name, weights) {
      const { type, blockWeights, blockBytes } = LLAMA_TYPES[name];
      const bytes = new Uint8Array((weights.length / blockWeights) * blockBytes);
      quantize(type, weights, bytes, 0, 1, weights.length, null);
      return bytes;
    },
    decode(name, bytes) {
      const { blockWeights, blockBytes } = LLAMA_TYPES[name];
      const weights = new Float32Array((bytes.length / blockBytes) * blockWeights);
      dequantizer(name)(bytes, weights, weights.length);
      return weights;
    },
  };
}
