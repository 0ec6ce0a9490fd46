import type { LoadedTokenizer } from './loaded/load.js';
import { ADDED_SCORE, TOKEN_TYPES, type Token } from './token-list.js';

const BYTE = /^<0x[0-9a-f]{2}>$/iu;

/** Whether a tokenizer.json is that of a SentencePiece model as Llama 2 and its kin have it. */
export function isLlamaTokenizer({ file }: LoadedTokenizer): boolean {
  const [type, hasBytes] = [file.get('model', 'type'), file.get('model', 'byte_fallback')];
  return type === 'BPE' && hasBytes === true && file.get('decoder', 'type') === 'Sequence';
}

/**
 * The tokens of such a tokenizer.json by id. It has no scores, so that all of them get the same, as llama.cpp's converter has
 * it. Throws `invalid_file` where an id is missing.
 */
export function llamaTokens({ file, vocabulary, special }: LoadedTokenizer): readonly Token[] {
  const texts = new Map([...vocabulary.ids].map(([text, id]) => [id, text]));
  const controls = new Set([...special.values()].flat().map(({ content }) => content));
  return Array.from({ length: vocabulary.ids.size }, (_, id) => {
    const text = texts.get(id);
    if (text === undefined) throw file.wrong(`it has ${texts.size} tokens, but none with the id ${id}`);
    return { text, type: typeOf(text, id < vocabulary.baseSize, controls), score: ADDED_SCORE };
  });
}

function typeOf(text: string, isBase: boolean, controls: ReadonlySet<string>): Token['type'] {
  if (isBase && BYTE.test(text)) return TOKEN_TYPES.byte;
  if (controls.has(text)) return TOKEN_TYPES.control;
  return isBase ? TOKEN_TYPES.normal : TOKEN_TYPES.userDefined;
}
