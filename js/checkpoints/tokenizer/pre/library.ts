/*! @huggingface/tokenizers: Copyright Hugging Face, licensed under the Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0 */
import { Tokenizer } from '@huggingface/tokenizers';
import { reducedModel } from './reduced.js';

/**
 * The ids of `text`, with special tokens, by a tokenizer.json. Throws what the library throws. It gets what matters to the text
 * only: of all merges and tokens it makes hundreds of megabytes.
 */
export function idsOf(tokenizer: Readonly<Record<string, unknown>>, text: string): readonly number[] {
  const model = reducedModel(tokenizer['model'], wordsOf(tokenizer, text), tokenizer['post_processor']);
  return new Tokenizer({ ...tokenizer, model }, {}).encode(text).ids;
}

/** What a model gets to cut: one of no kind in particular leaves it as it is. */
const wordsOf = (tokenizer: Readonly<Record<string, unknown>>, text: string): readonly string[] =>
  new Tokenizer({ ...tokenizer, model: { vocab: {} } }, {}).tokenize(text);
