import { quoted } from '../../containers/invalid-file.js';
import type { Checkpoint } from '../checkpoint.js';
import { cleanedSpaces, decodedToken } from './loaded/decoders.js';
import type { LoadedTokenizer } from './loaded/load.js';
import { vocabularySize } from './pieces/sentence-piece.js';
import { looksSpecial, padding, TOKEN_TYPES, withSpaces, type Token, type Tokens } from './token-list.js';

/**
 * All tokens by id, as many as the model has: `vocab_size` of config.json. Throws `invalid_file` where a token has an id beyond
 * that.
 */
export function vocabularyTokens(loaded: LoadedTokenizer, checkpoint: Checkpoint): Tokens {
  const { ids } = loaded.vocabulary;
  const size = vocabularySize(checkpoint, ids.size);
  const spelt = new Array<string | undefined>(size).fill(undefined);
  for (const [text, id] of ids) {
    if (id >= size) throw loaded.file.wrong(beyond(text, id, size, loaded));
    spelt[id] = text;
  }
  return {
    length: size,
    *[Symbol.iterator]() {
      for (const [id, text] of spelt.entries()) yield text === undefined ? padding(id) : tokenOf(text, id, loaded);
    },
  };
}

/** Without tokenizer_config.json, transformers adds the special tokens of the kind of model. */
function beyond(text: string, id: number, size: number, { config }: LoadedTokenizer): string {
  const why = config === null ? 'there is no tokenizer_config.json beside it' : 'the tokenizer may be of another model';
  return `the token ${quoted(text)} has the id ${id}, but the model has ${size} tokens; ${why}`;
}

function tokenOf(text: string, id: number, loaded: LoadedTokenizer): Token {
  const added = loaded.vocabulary.added.get(id);
  if (added === undefined) return { text, type: TOKEN_TYPES.normal, score: 0 };
  const found = added.normalized ? text : foundText(text, loaded);
  if (added.special || looksSpecial(found)) return { text: found, type: TOKEN_TYPES.control, score: 0 };
  return { text: withSpaces(found), type: TOKEN_TYPES.userDefined, score: 0 };
}

/** A token as it reads in texts, which is how llama.cpp looks for it. */
function foundText(text: string, { file, cleansSpaces }: LoadedTokenizer): string {
  const decoded = decodedToken(text, file.get('decoder'));
  if (decoded === undefined) throw file.wrong('its decoder is of a kind that is not known');
  return cleansSpaces ? cleanedSpaces(decoded) : decoded;
}
