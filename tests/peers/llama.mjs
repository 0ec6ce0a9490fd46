import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** So many numbers `enum ggml_type` has at least in every release that package.json lets in; beyond the last is no check. */
const TYPE_NUMBERS = 43;

/** By name in capitals: each type's number in `enum ggml_type`, weights and bytes of a block, as the library has them. */
function typesOf(library) {
  const nameOf = library.func('const char *ggml_type_name(int type)');
  const weightsOf = library.func('int64_t ggml_blck_size(int type)');
  const bytesOf = library.func('size_t ggml_type_size(int type)');
  const types = new Map();
  for (let type = 0; type < TYPE_NUMBERS; ++type) {
    const blockBytes = Number(bytesOf(type));
    if (blockBytes > 0)
      types.set(nameOf(type).toUpperCase(), { type, blockWeights: Number(weightsOf(type)), blockBytes });
  }
  return types;
}

/**
 * llama.cpp's own quantizers, on one row, or on rows as long as the importance of their columns; ones where a type cannot do
 * without. null where the npm package has no library for the platform.
 *
 * @returns {null | {types: Map<string, {type: number, blockWeights: number, blockBytes: number}>,
 *   encode: (name: string, weights: Float32Array, bytes?: Uint8Array, importance?: Float32Array | null) => Uint8Array,
 *   needsImportance: (name: string) => boolean,
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
  const needs = library.func('bool ggml_quantize_requires_imatrix(int type)');
  const types = typesOf(library);
  const needsImportance = (name) => needs(types.get(name).type);
  const dequantizers = new Map();
  const dequantizer = (name) => {
    if (!dequantizers.has(name)) {
      const symbol = name.toLowerCase().replace(/k$/, 'K');
      dequantizers.set(name, library.func(`void dequantize_row_${symbol}(const void *from, void *to, int64_t count)`));
    }
    return dequantizers.get(name);
  };
  const bytesFor = (name, weights) => {
    const { blockWeights, blockBytes } = types.get(name);
    return (weights.length / blockWeights) * blockBytes;
  };
  return {
    types,
    encode(name, weights, bytes = new Uint8Array(bytesFor(name, weights)), given = null) {
      const { type } = types.get(name);
      const importance = given ?? (needsImportance(name) ? new Float32Array(weights.length).fill(1) : null);
      const row = importance?.length ?? weights.length;
      quantize(type, weights, bytes, 0, weights.length / row, row, importance);
      return bytes;
    },
    needsImportance,
    decode(name, bytes) {
      const { blockWeights, blockBytes } = types.get(name);
      const weights = new Float32Array((bytes.length / blockBytes) * blockWeights);
      dequantizer(name)(bytes, weights, weights.length);
      return weights;
    },
  };
}
