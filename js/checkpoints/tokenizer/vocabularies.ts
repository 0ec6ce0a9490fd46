/**
 * The ways from a folder's tokenizer to what llama.cpp has of one. Each writes everything under `tokenizer.`, and is false where
 * the files are not there that it begins with. They reject with `invalid_file` for those that are wrong.
 */

import { flag, u32 } from '../../containers/gguf/key-values.js';
import { quoted } from '../../containers/invalid-file.js';
import type { Checkpoint } from '../checkpoint.js';
import type { KeyList } from '../key-list.js';
import { vocabularyTokens } from './byte-level.js';
import { isLlamaTokenizer, llamaTokens } from './llama-hf.js';
import { loadTokenizer } from './loaded/load.js';
import { preTokenizerName } from './pre/name.js';
import { sentencePieceTokens } from './pieces/sentence-piece.js';
import { setSpecialTokens } from './special/special-tokens.js';
import { setTokens, TOKEN_TYPES } from './token-list.js';
import { movedPieces, plainPieces, setUnigram, unigramVocabulary, type UnigramVocabulary } from './pieces/unigram.js';
import { phantomSpaced } from './word-piece.js';

export { setSpecialTokens } from './special/special-tokens.js';

export interface SentencePieceOptions {
  /** Whether tokens that tokenizer.json adds count after all others, and texts are taken as they are, as Phi-3 has it. */
  readonly addedFromTokenizer?: boolean;
}

/** tokenizer.model. */
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

/** tokenizer.json of a SentencePiece model; false for one of another kind, too. */
export async function llamaHuggingFace(pairs: KeyList, checkpoint: Checkpoint): Promise<boolean> {
  const loaded = await loadTokenizer(checkpoint);
  if (loaded === null || !isLlamaTokenizer(loaded)) return false;
  const tokens = llamaTokens(loaded);
  setTokens(pairs, { model: 'llama', pre: 'default', tokens, scores: true });
  await setSpecialTokens(pairs, checkpoint, { vocabularySize: tokens.length });
  return true;
}

export interface ByteLevelOptions {
  /** Added tokens that are special ones where no file names others, by type. */
  readonly special?: readonly (readonly [type: string, token: string])[];
}

/** tokenizer.json with byte-level BPE. */
export async function byteLevel(
  pairs: KeyList,
  checkpoint: Checkpoint,
  { special = [] }: ByteLevelOptions = {},
): Promise<boolean> {
  const loaded = await loadTokenizer(checkpoint);
  if (loaded === null) return false;
  const { file, vocabulary } = loaded;
  const known = special.map(([type, token]) => {
    const id = vocabulary.ids.get(token);
    if (id === undefined || !vocabulary.added.has(id)) throw file.wrong(`there is no added token ${quoted(token)}`);
    return [type, id] as const;
  });
  const tokens = vocabularyTokens(loaded, checkpoint);
  const pre = await preTokenizerName(loaded, checkpoint);
  setTokens(pairs, { model: 'gpt2', pre, tokens, scores: false });
  await setSpecialTokens(pairs, checkpoint, { loadMerges: true, known });
  if (!pairs.has('tokenizer.ggml.merges') && pre !== 'whitespace')
    throw file.wrong('it has no merges, without which llama.cpp cuts no texts');
  return true;
}

/** tokenizer.json with WordPiece, as BERT has it. */
export async function wordPiece(pairs: KeyList, checkpoint: Checkpoint): Promise<boolean> {
  const loaded = await loadTokenizer(checkpoint);
  if (loaded === null) return false;
  const kind = loaded.file.get('model', 'type');
  if (typeof kind === 'string' && kind !== 'WordPiece')
    throw loaded.file.wrong(`its model is of the kind ${quoted(kind)}, but this model's tokenizer is a WordPiece`);
  const tokens = Array.from(vocabularyTokens(loaded, checkpoint), phantomSpaced);
  const pre = await preTokenizerName(loaded, checkpoint);
  setTokenTypeCount(pairs, checkpoint);
  setTokens(pairs, { model: 'bert', pre, tokens, scores: false });
  await setSpecialTokens(pairs, checkpoint, { vocabularySize: tokens.length });
  return true;
}

export interface UnigramOptions {
  /** Where `<mask>` is, in models whose SentencePiece model is without it. */
  readonly maskId?: number;
}

/** sentencepiece.bpe.model, or tokenizer.json with a unigram model, as XLM-RoBERTa has it. */
export async function unigram(pairs: KeyList, checkpoint: Checkpoint, options: UnigramOptions = {}): Promise<boolean> {
  const moved = await movedPieces(checkpoint);
  const loaded = moved === null ? await loadTokenizer(checkpoint) : null;
  const vocabulary = loaded === null ? moved : unigramVocabulary(loaded, checkpoint);
  if (vocabulary === null) return false;
  const maskId = moved === null ? undefined : options.maskId;
  const tokens = vocabulary.tokens.map((token, id) =>
    id === maskId ? { text: '<mask>', type: TOKEN_TYPES.control, score: 0 } : token,
  );
  setUnigramTokens(pairs, { ...vocabulary, tokens });
  setTokenTypeCount(pairs, checkpoint);
  setUnigram(pairs, vocabulary);
  await setSpecialTokens(pairs, checkpoint, { vocabularySize: tokens.length });
  return true;
}

/** tokenizer.model or spiece.model with a unigram model, as T5 has it; false for one of another kind, too. */
export async function unigramPieces(pairs: KeyList, checkpoint: Checkpoint): Promise<boolean> {
  const vocabulary =
    (await plainPieces(checkpoint, 'tokenizer.model')) ?? (await plainPieces(checkpoint, 'spiece.model'));
  if (vocabulary === null) return false;
  setUnigramTokens(pairs, vocabulary);
  setUnigram(pairs, vocabulary);
  await setSpecialTokens(pairs, checkpoint, { vocabularySize: vocabulary.tokens.length });
  return true;
}

function setUnigramTokens(pairs: KeyList, { tokens, addsPrefix }: UnigramVocabulary): void {
  setTokens(pairs, { model: 't5', pre: 'default', tokens, scores: true });
  pairs.set(flag('tokenizer.ggml.add_space_prefix', addsPrefix));
}

/** How many kinds of segments a text may have, which encoders tell apart. */
export function setTokenTypeCount(pairs: KeyList, { hparams }: Checkpoint): void {
  const count = hparams.optionalWhole('type_vocab_size') ?? 1;
  if (count < 0 || count >= 2 ** 32) throw hparams.wrong(['type_vocab_size'], 'a number of 32 bits');
  pairs.set(u32('tokenizer.ggml.token_type_count', count));
}

/** Whether a space is put before texts, where tokenizer_config.json says it: what the Llama family writes before all else. */
export async function setSpacePrefix(pairs: KeyList, { files }: Checkpoint): Promise<void> {
  const value = (await files.plain('tokenizer_config.json'))?.get('add_prefix_space');
  if (typeof value === 'boolean') pairs.set(flag('tokenizer.ggml.add_space_prefix', value));
}
