import { writeFileSync } from 'node:fs';
import { ggufFile, tinyLlama } from '../../peers/tiny-llama.mjs';

/** How the model is quantized: to five files. */
export const kSettings = { TYPE: 'Q8_0', SPLIT_SIZE: '1MB' };
export const kParts = 5;

/** Writes a language model in F16, and returns its bytes. */
export function writeLanguageModel(file) {
  const contents = ggufFile(tinyLlama({ layers: 4, width: 256, hidden: 1024, heads: 4, kvHeads: 4 }));
  writeFileSync(file, contents);
  return contents;
}
