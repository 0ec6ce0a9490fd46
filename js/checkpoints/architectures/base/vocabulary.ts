import { findKeyValue } from '../../../containers/gguf/key-values.js';
import { invalidFile } from '../../../containers/invalid-file.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import type { Weight } from '../../weights/weight.js';

/** Throws `invalid_file` where the tokens of a GGUF are not as many as its embeddings: llama.cpp refuses to open such a file. */
export function checkVocabulary(
  pairs: KeyList,
  tensors: readonly Weight[],
  checkpoint: Pick<Checkpoint, 'name'>,
): void {
  const tokens = findKeyValue(pairs.pairs, 'tokenizer.ggml.tokens')?.array?.length;
  const embeddings = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
  if (tokens === undefined || embeddings === undefined || tokens === embeddings) return;
  const detail = `its vocabulary has ${tokens} tokens, but there are embeddings of ${embeddings}; the tokenizer may be of another model`;
  throw invalidFile(checkpoint, detail);
}
