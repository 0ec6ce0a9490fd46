/** The ways from a folder's tokenizer to what llama.cpp has of one. Each writes everything under `tokenizer.`. */

import type { Checkpoint } from '../checkpoint.js';
import type { KeyList } from '../key-list.js';
import { vocabularyTokens } from './byte-level.js';
import { loadTokenizer } from './loaded.js';
import { preTokenizerName } from './pre-tokenizer.js';
import { sentencePieceTokens } from './sentence-piece.js';
import { setSpecialTokens } from './special-tokens.js';
import { setTokens } from './token-list.js';

export { setSpecialTokens } from './special-tokens.js';

export interface SentencePieceOptions {
  /** Whether tokens that tokenizer.json adds count after all others, and texts are taken as they are, as Phi-3 has it. */
  readonly addedFromTokenizer?: boolean;
}

/** tokenizer.model. False where there is none. */
export async function sentencePiece(
  pairs: KeyList,
  checkpoint: Checkpoint,
  { addedFromTokenizer = false }: SentencePieceOptions = {},
): Promise<boolean> {
  const tokens = await sentencePieceTokens(checkpoint, { fromTokenizer: addedFromTokenizer });
  if (tokens === null) return false;
  setTokens(pairs, { model: 'llama', pre: 'default', tokens, scores: true });
  await setSpecialTokens(pairs, checkpoint, { vocabularySize: tokens.length });
  return true;
}

/** tokenizer.json with byte-level BPE. False where there is no such file. */
export async function byteLevel(pairs: KeyList, checkpoint: Checkpoint): Promise<boolean> {
  const loaded = await loadTokenizer(checkpoint);
  if (loaded === null) return false;
  const tokens = vocabularyTokens(loaded, checkpoint);
  const pre = await preTokenizerName(loaded, checkpoint);
  setTokens(pairs, { model: 'gpt2', pre, tokens, scores: false });
  await setSpecialTokens(pairs, checkpoint, { loadMerges: true });
  return true;
}
