import { Tokenizer } from '@huggingface/tokenizers';

/** The ids of `text`, with special tokens, by a tokenizer.json. Throws what the library throws. */
export function idsOf(tokenizer: Readonly<Record<string, unknown>>, text: string): readonly number[] {
  const whole = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: [],
    ...tokenizer,
  };
  return new Tokenizer(whole, {}).encode(text).ids;
}
