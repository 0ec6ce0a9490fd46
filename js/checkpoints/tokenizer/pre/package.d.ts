/** What is used of the package `@huggingface/tokenizers`, whose own declarations are for bundlers only. */

export class Tokenizer {
  constructor(tokenizer: object, config: object);
  encode(text: string): { readonly ids: readonly number[] };
  /** Without special tokens. */
  tokenize(text: string): readonly string[];
}
