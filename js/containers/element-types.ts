import { DTYPES } from './dtypes.js';
import { GGML_TYPES } from './gguf/ggml-types.js';

/** What the tensors of files are made of, as files of either format call it. */
export const ELEMENT_TYPES: readonly string[] = [...new Set([...DTYPES, ...GGML_TYPES.map(({ name }) => name)])];
