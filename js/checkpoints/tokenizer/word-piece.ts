import type { Token } from './token-list.js';
import { TOKEN_TYPES } from './token-list.js';

const INSIDE = '##';
const BEGIN = '▁';

/** What llama.cpp has of a token of WordPiece: those that begin a word are marked there, not those that go on with one. */
export function phantomSpaced(token: Token): Token {
  if (token.type === TOKEN_TYPES.control) return token;
  const { text } = token;
  return { ...token, text: text.startsWith(INSIDE) ? text.slice(INSIDE.length) : BEGIN + text };
}
