import { f32s, i32s, text, texts } from '../../containers/gguf/key-values.js';
import type { KeyList } from '../key-list.js';

/** How llama.cpp numbers the kinds of tokens. */
export const TOKEN_TYPES = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

export type TokenType = (typeof TOKEN_TYPES)[keyof typeof TOKEN_TYPES];

export interface Token {
  readonly text: string;
  readonly type: TokenType;
  readonly score: number;
}

/** The score of padding, and that of tokens that are added to those of SentencePiece. */
const PADDING_SCORE = -10000;
export const ADDED_SCORE = -1000;

/** What stands for an id that no token has. */
export const padding = (id: number): Token => ({
  text: `[PAD${id}]`,
  type: TOKEN_TYPES.unused,
  score: PADDING_SCORE,
});

/** Tokens by id, perhaps made anew each time that they are gone through: large vocabularies have hundreds of thousands. */
export interface Tokens extends Iterable<Token> {
  readonly length: number;
}

export interface TokenList {
  /** What llama.cpp calls the way of cutting text into tokens: `llama`, `gpt2`, `bert`, `t5`. */
  readonly model: string;
  readonly pre: string;
  readonly tokens: Tokens;
  /** Whether the scores are written, too. */
  readonly scores: boolean;
}

export function setTokens(pairs: KeyList, { model, pre, tokens, scores }: TokenList): void {
  pairs.set(
    text('tokenizer.ggml.model', model),
    text('tokenizer.ggml.pre', pre),
    texts('tokenizer.ggml.tokens', textsOf(tokens)),
  );
  if (scores) {
    const numbers = Array.from(tokens, (token) => token.score);
    pairs.set(f32s('tokenizer.ggml.scores', numbers));
  }
  const types = Array.from(tokens, (token) => token.type);
  pairs.set(i32s('tokenizer.ggml.token_type', types));
}

function* textsOf(tokens: Tokens): Iterable<string> {
  for (const token of tokens) yield token.text;
}

const SPECIAL_WORDS = ['<pad>', '<mask>', '<2mass>', '[@BOS@]'];
const SPECIAL_BRACKETS = [
  ['<|', '|>'],
  ['<｜', '｜>'],
  ['<unused', '>'],
] as const;

/** Whether a token is one that steers a model, by its text: some models do not say so of all of theirs. */
export const looksSpecial = (token: string): boolean =>
  SPECIAL_WORDS.includes(token) ||
  SPECIAL_BRACKETS.some(([open, close]) => token.startsWith(open) && token.endsWith(close));

/** A token of the user's that contains SentencePiece's sign for a space has a space there for llama.cpp. */
export const withSpaces = (token: string): string => token.replaceAll('▁', ' ');
