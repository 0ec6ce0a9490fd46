import { invalidFile } from '../invalid-file.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { InputContainer, OpenedFiles } from '../container.js';

/**
 * Folders of MLC-LLM and WebLLM (docs/formats.md): `tensor-cache.json`, called `ndarray-cache.json` before, lists the tensors in
 * files without headers. It is JSON like any index, and told by what it lists (../shards.ts).
 */
export const mlc = {
  name: 'mlc',
  title: 'a folder of MLC-LLM',
  hasFinalNames: false,
  recognizes: () => false,
  open: (source: ByteSource): Promise<OpenedFiles> =>
    Promise.reject(invalidFile(source, 'it is no tensor-cache.json of MLC-LLM')),
} as const satisfies InputContainer;
