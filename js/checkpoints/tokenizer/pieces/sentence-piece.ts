import { quoted } from '../../../containers/invalid-file.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { PlainFile } from '../plain.js';
import { isTokenId, itemsOf, member } from '../plain.js';
import { readPieceModel, type Piece } from './piece-model.js';
import {
  ADDED_SCORE,
  looksSpecial,
  padding,
  TOKEN_TYPES,
  withSpaces,
  type Token,
  type TokenType,
} from '../token-list.js';

const PIECE_MODEL = 'tokenizer.model';

/** How tokens that are added to those of tokenizer.model are taken. */
export interface AddedPieces {
  /** Whether those in tokenizer.json count after all others, and texts are taken as they are, as Phi-3 has it. */
  readonly fromTokenizer: boolean;
}

/** More than any model has, and few enough to be held. */
const MOST_TOKENS = 2 ** 20;

/** How many tokens the model has: `vocab_size` of config.json, or `otherwise` without it. Throws `invalid_file`. */
export function vocabularySize({ hparams }: Checkpoint, otherwise: number): number {
  const names = ['vocab_size_per_layer_input', 'vocab_size'];
  const size = hparams.optionalWhole(...names) ?? 0;
  if (size < 0 || size > MOST_TOKENS) throw hparams.wrong(names, `a number from 1 to ${MOST_TOKENS}`);
  return size === 0 ? otherwise : size;
}

/**
 * The tokens of tokenizer.model, and those that added_tokens.json and tokenizer_config.json add, by id: as many as the model
 * has, which is what `vocab_size` says. Null without tokenizer.model.
 */
export async function sentencePieceTokens(
  checkpoint: Checkpoint,
  added: AddedPieces,
): Promise<readonly Token[] | null> {
  const { files } = checkpoint;
  const model = await readPieceModel(files, PIECE_MODEL);
  if (model === null) return null;
  const list = new PieceList(vocabularySize(checkpoint, model.pieces.length), model.pieces);
  list.addByText(await files.plain('added_tokens.json'));
  list.addDecoder(await files.plain('tokenizer_config.json'), added);
  if (added.fromTokenizer) list.addTokenizer(await files.plain('tokenizer.json'));
  list.warnOfLost(checkpoint);
  return list.tokens;
}

const KEPT_TYPES = [TOKEN_TYPES.unknown, TOKEN_TYPES.control, TOKEN_TYPES.unused, TOKEN_TYPES.byte];

class PieceList {
  readonly tokens: Token[];
  readonly #size: number;
  #lost = 0;

  constructor(size: number, pieces: readonly Piece[]) {
    this.#size = size;
    this.tokens = Array.from({ length: size }, (_, id) => {
      const piece = pieces[id];
      return piece === undefined ? padding(id) : pieceToken(piece);
    });
    this.#lost = Math.max(0, pieces.length - size);
  }

  /** added_tokens.json: ids by text. */
  addByText(file: PlainFile | null): void {
    if (file === null) return;
    for (const [text, id] of Object.entries(file.values)) {
      if (!isTokenId(id)) throw file.wrong(`the token ${quoted(text)} has no id that is a whole number`);
      this.#set(id, text, TOKEN_TYPES.userDefined);
    }
  }

  /** tokenizer_config.json: tokens by id. */
  addDecoder(file: PlainFile | null, { fromTokenizer }: AddedPieces): void {
    if (file === null) return;
    for (const [key, token] of Object.entries(file.get('added_tokens_decoder') ?? {})) {
      const [id, text] = [/^\d+$/u.test(key) ? Number(key) : undefined, member(token, 'content')];
      if (!isTokenId(id) || typeof text !== 'string') throw file.wrong(`its added token ${quoted(key)} is none`);
      const isSpecial = isTruthy(member(token, 'special'));
      if (fromTokenizer) this.#set(id, text, isSpecial ? TOKEN_TYPES.control : TOKEN_TYPES.userDefined);
      else if (isSpecial || looksSpecial(text)) this.#set(id, text, TOKEN_TYPES.control);
      else this.#set(id, withSpaces(text), TOKEN_TYPES.userDefined);
    }
  }

  /** tokenizer.json: a list of tokens with their ids. */
  addTokenizer(file: PlainFile | null): void {
    if (file === null) return;
    for (const token of itemsOf(file.get('added_tokens'))) {
      const [id, text] = [member(token, 'id'), member(token, 'content')];
      if (!isTokenId(id) || typeof text !== 'string') throw file.wrong('it has an added token without id and content');
      this.#set(id, text, isTruthy(member(token, 'special')) ? TOKEN_TYPES.control : TOKEN_TYPES.userDefined);
    }
  }

  warnOfLost({ name, warn }: Checkpoint): void {
    if (this.#lost === 0) return;
    const message = `${this.#lost} tokens of ${name} are left out, as their ids are beyond its vocab_size, ${this.#size}`;
    warn({ code: 'checkpoint_doubt', message });
  }

  #set(id: number, text: string, type: TokenType): void {
    if (id < this.#size) this.tokens[id] = { text, type, score: ADDED_SCORE };
    else ++this.#lost;
  }
}

/** A piece as a token of llama.cpp. Pieces of the user's are ordinary ones, as its converter has it. */
export function pieceToken({ text, score, type }: Piece): Token {
  const kept = KEPT_TYPES.find((one) => one === type);
  return { text, score, type: kept ?? TOKEN_TYPES.normal };
}

/** Whether Python takes a value as true. */
const isTruthy = (value: unknown): boolean => Boolean(value);
