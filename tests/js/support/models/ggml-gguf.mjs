/** ggml's own reader of GGUF files, out of llama.cpp's library. */
import { createRequire } from 'node:module';
import path from 'node:path';

/**
 * Reads a header as llama.cpp does; null where the npm package has no library for the platform.
 *
 * @returns {null | ((file: string) => null | {dataBegin: number, keys: string[],
 *   tensors: {name: string, type: number, begin: number, bytes: number}[]})} null for a file that ggml refuses
 */
export function openGgmlReader() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  // Those two are dependencies of tests/peers.
  const require = createRequire(new URL('../../../peers/llama.mjs', import.meta.url));
  const koffi = require('koffi');
  const folder = path.dirname(path.dirname(require.resolve('@node-llama-cpp/linux-x64')));
  const library = koffi.load(path.join(folder, 'bins/linux-x64/libggml-base.so'));
  const params = koffi.struct({ no_alloc: 'bool', ctx: 'void *' });
  const open = library.func('gguf_init_from_file', 'void *', ['str', params]);
  const close = library.func('void gguf_free(void *file)');
  const about = (result, name) => library.func(`${result} ${name}(const void *file)`);
  const ofIndex = (result, name) => library.func(`${result} ${name}(const void *file, int64_t index)`);
  const [tensorCount, pairCount] = [about('int64_t', 'gguf_get_n_tensors'), about('int64_t', 'gguf_get_n_kv')];
  const dataBegin = about('size_t', 'gguf_get_data_offset');
  const keyOf = ofIndex('const char *', 'gguf_get_key');
  const nameOf = ofIndex('const char *', 'gguf_get_tensor_name');
  const typeOf = ofIndex('int', 'gguf_get_tensor_type');
  const offsetOf = ofIndex('size_t', 'gguf_get_tensor_offset');
  const bytesOf = ofIndex('size_t', 'gguf_get_tensor_size');
  return (file) => {
    const context = open(file, { no_alloc: true, ctx: null });
    if (context === null) return null;
    try {
      const begin = Number(dataBegin(context));
      const indices = (count) => Array.from({ length: Number(count) }, (_, index) => index);
      return {
        dataBegin: begin,
        keys: indices(pairCount(context)).map((index) => keyOf(context, index)),
        tensors: indices(tensorCount(context)).map((index) => ({
          name: nameOf(context, index),
          type: typeOf(context, index),
          begin: begin + Number(offsetOf(context, index)),
          bytes: Number(bytesOf(context, index)),
        })),
      };
    } finally {
      close(context);
    }
  };
}
