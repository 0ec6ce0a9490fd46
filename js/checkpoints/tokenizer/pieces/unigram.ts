import { flag, u8s } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import type { LoadedTokenizer } from '../loaded/load.js';
import { scoredTokens } from '../loaded/model-tokens.js';
import { readPieceModel, UNIGRAM, type PieceModel } from './piece-model.js';
import { itemsOf, member, textIn } from '../plain.js';
import { pieceToken, vocabularySize } from './sentence-piece.js';
import { padding, TOKEN_TYPES, type Token } from '../token-list.js';

/** Tokens by id, and what is done to texts before they are cut. */
export interface UnigramVocabulary {
  readonly tokens: readonly Token[];
  readonly addsPrefix: boolean;
  readonly removesSpaces: boolean;
  readonly characterMap: Uint8Array;
}

const LARGE_MODEL = 'sentencepiece.bpe.model';

/** The tokens that XLM-RoBERTa has before those of its SentencePiece model. */
const FIRST = [
  { text: '<s>', type: TOKEN_TYPES.control, score: 0 },
  { text: '<pad>', type: TOKEN_TYPES.control, score: 0 },
  { text: '</s>', type: TOKEN_TYPES.control, score: 0 },
  { text: '<unk>', type: TOKEN_TYPES.unknown, score: 0 },
] as const;
/** Pieces of the model that those stand for. */
const REPLACED = 3;

/** XLM-RoBERTa's: sentencepiece.bpe.model with the tokens moved to where fairseq has them. Null where there is none. */
export async function movedPieces(checkpoint: Checkpoint): Promise<UnigramVocabulary | null> {
  const model = await readPieceModel(checkpoint.files, LARGE_MODEL);
  if (model === null) return null;
  if (model.algorithm !== UNIGRAM) throw await checkpoint.files.wrong(LARGE_MODEL, 'it is no unigram model');
  const size = Math.max(vocabularySize(checkpoint, 0), model.pieces.length);
  const pieces = piecesOf(model, size);
  return { ...model, tokens: [...FIRST, ...pieces.slice(REPLACED, -1)] };
}

/** T5's: the pieces as they are. Null where there is no such file, or another algorithm finds the pieces. */
export async function plainPieces(checkpoint: Checkpoint, name: string): Promise<UnigramVocabulary | null> {
  const model = await readPieceModel(checkpoint.files, name);
  if (model?.algorithm !== UNIGRAM) return null;
  const size = vocabularySize(checkpoint, model.pieces.length);
  if (size < model.pieces.length) {
    throw await checkpoint.files.wrong(name, `it has ${model.pieces.length} pieces, but the model has ${size} tokens`);
  }
  return { ...model, tokens: piecesOf(model, size) };
}

const piecesOf = ({ pieces }: PieceModel, size: number): Token[] =>
  Array.from({ length: size }, (_, id) => {
    const piece = pieces[id];
    return piece === undefined ? padding(id) : pieceToken(piece);
  });

/** The tokens of a tokenizer.json of the kind Unigram. Throws `invalid_file`. */
export function unigramVocabulary(loaded: LoadedTokenizer, checkpoint: Checkpoint): UnigramVocabulary {
  const { file, config, vocabulary, cleansSpaces } = loaded;
  if (file.get('model', 'type') !== 'Unigram') throw file.wrong('its model is not of the kind Unigram');
  const scored = scoredTokens(file);
  const typed = unigramTypes(loaded);
  const size = Math.max(vocabularySize(checkpoint, 0), scored.length);
  const tokens = Array.from({ length: size }, (_, id) => {
    const token = scored[id];
    if (token === undefined) return padding(id);
    return { text: vocabulary.added.get(id)?.content ?? token.text, type: typed(id), score: token.score };
  });
  const characterMap = characterMapOf(file.get('normalizer'));
  const bytes = characterMap === undefined ? new Uint8Array() : base64Bytes(characterMap);
  if (bytes === null) throw file.wrong('its map of characters is no base64');
  return {
    tokens,
    addsPrefix: config?.get('add_prefix_space') === true,
    removesSpaces: cleansSpaces,
    characterMap: bytes,
  };
}

function unigramTypes({ file, config, vocabulary, special }: LoadedTokenizer): (id: number) => Token['type'] {
  const ids = new Set([...special.values()].flat().map(({ content }) => vocabulary.ids.get(content)));
  const unknown = config?.get('unk_token');
  const found = addedId(vocabulary.ids, vocabulary.added, textIn(unknown) ?? textIn(member(unknown, 'content')));
  const unknownId = found ?? file.get('model', 'unk_id') ?? 3;
  return (id) => {
    if (id === unknownId) return TOKEN_TYPES.unknown;
    if (ids.has(id)) return TOKEN_TYPES.control;
    return vocabulary.added.has(id) ? TOKEN_TYPES.userDefined : TOKEN_TYPES.normal;
  };
}

function addedId(
  ids: ReadonlyMap<string, number>,
  added: ReadonlyMap<number, unknown>,
  text: string | undefined,
): number | undefined {
  const id = text === undefined ? undefined : ids.get(text);
  return id !== undefined && added.has(id) ? id : undefined;
}

/** In the normalizer, or in one of those that it does one after the other. */
function characterMapOf(normalizer: unknown): string | undefined {
  const own = textIn(member(normalizer, 'precompiled_charsmap'));
  return (
    own ??
    itemsOf(member(normalizer, 'normalizers'))
      .map((one) => textIn(member(one, 'precompiled_charsmap')))
      .find(Boolean)
  );
}

export function setUnigram(pairs: KeyList, { removesSpaces, characterMap }: UnigramVocabulary): void {
  pairs.set(flag('tokenizer.ggml.remove_extra_whitespaces', removesSpaces));
  pairs.set(u8s('tokenizer.ggml.precompiled_charsmap', characterMap));
}

/** Null for what is no base64. */
function base64Bytes(text: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
