/*! @huggingface/tokenizers: Copyright Hugging Face, licensed under the Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0 */
import { Tokenizer } from '@huggingface/tokenizers';

/** The ids of `text`, with special tokens, by a tokenizer.json. Throws what the library throws. */
export function idsOf(tokenizer: Readonly<Record<string, unknown>>, text: string): readonly number[] {
  return new Tokenizer(tokenizer, {}).encode(text).ids;
}
