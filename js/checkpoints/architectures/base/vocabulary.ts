import { areDistinctTexts } from '../../../containers/gguf/distinct-texts.js';
import { findKeyValue, type GgufKeyValue, type GgufValue } from '../../../containers/gguf/key-values.js';
import { invalidFile, quoted } from '../../../containers/invalid-file.js';
import type { Tensor } from '../../../layouts/tensor.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';

/**
 * Throws `invalid_file` where the tokens of a GGUF are not as many as its embeddings, or two are the same: llama.cpp does not
 * open such a file.
 */
export function checkVocabulary(
  pairs: KeyList,
  tensors: readonly Tensor[],
  checkpoint: Pick<Checkpoint, 'name'>,
): void {
  const list = findKeyValue(pairs.pairs, 'tokenizer.ggml.tokens');
  const tokens = list?.array?.length;
  if (list !== undefined) checkDistinct(list, checkpoint);
  const embeddings = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
  if (tokens === undefined || embeddings === undefined || tokens === embeddings) return;
  const detail = `its vocabulary has ${tokens} tokens, but there are embeddings of ${embeddings}; the tokenizer may be of another model`;
  throw invalidFile(checkpoint, detail);
}

function checkDistinct(list: GgufKeyValue, checkpoint: Pick<Checkpoint, 'name'>): void {
  // Decoded all at once, they take tens of megabytes.
  if (areDistinctTexts(list)) return;
  const tokens = list.value;
  if (!Array.isArray(tokens)) return;
  const seen = new Set<GgufValue>();
  for (const token of tokens as readonly GgufValue[]) {
    if (seen.has(token)) {
      throw invalidFile(
        checkpoint,
        `its tokenizer has the token ${quoted(String(token))} twice, which llama.cpp does not open`,
      );
    }
    seen.add(token);
  }
}
