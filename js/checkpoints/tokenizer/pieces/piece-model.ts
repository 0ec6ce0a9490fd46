import { QuantizeError } from '../../../errors.js';
import type { CheckpointFiles } from '../../files.js';
import { fieldsOf, wireText, type WireValue } from './wire.js';

/** A piece of text and its score. Types are numbered as in llama.cpp's files. */
export interface Piece {
  readonly text: string;
  readonly score: number;
  readonly type: number;
}

/** What a SentencePiece model says of texts before they are cut. */
export interface PieceModel {
  readonly pieces: readonly Piece[];
  /** How pieces are found: 1 is unigram, 2 is BPE. */
  readonly algorithm: number;
  readonly addsPrefix: boolean;
  readonly removesSpaces: boolean;
  /** How characters are normalized, compiled. */
  readonly characterMap: Uint8Array;
}

const NORMAL = 1;
const UNKNOWN = 2;
const MOST_TYPE = 6;
/** The algorithm that is meant where a model names none. */
export const UNIGRAM = 1;
const ALGORITHMS = 4;

const PIECES = 1;
const TRAINER = 2;
const NORMALIZER = 3;

/** The SentencePiece model in a file; null where there is none. Rejects with `invalid_file` for one that does not load. */
export async function readPieceModel(files: CheckpointFiles, name: string): Promise<PieceModel | null> {
  const bytes = await files.bytes(name);
  if (bytes === null) return null;
  try {
    return checked(parse(bytes));
  } catch (cause) {
    if (cause instanceof QuantizeError || !(cause instanceof RangeError)) throw cause;
    const why = isTiktoken(bytes) ? TIKTOKEN : cause.message;
    throw await files.wrong(name, `it is no SentencePiece model: ${why}`);
  }
}

/** Llama 3 came with one under the name of a SentencePiece model. */
const TIKTOKEN = 'it is a list of tokens for tiktoken; take it out of the folder, so that tokenizer.json counts';
const HEAD_BYTES = 256;

const isTiktoken = (bytes: Uint8Array): boolean =>
  /^[\w+/]+={0,2} \d+\r?\n/u.test(String.fromCharCode(...bytes.subarray(0, HEAD_BYTES)));

function parse(bytes: Uint8Array): PieceModel {
  const pieces: Piece[] = [];
  let algorithm = UNIGRAM;
  let normalizer: Normalizer = { addsPrefix: true, removesSpaces: true, characterMap: new Uint8Array() };
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === PIECES) pieces.push(pieceIn(bytesOf(value), pieces.length));
    else if (number === TRAINER) algorithm = algorithmIn(bytesOf(value), algorithm);
    else if (number === NORMALIZER) normalizer = normalizerIn(bytesOf(value), normalizer);
  }
  return { pieces, algorithm, ...normalizer };
}

/** What SentencePiece itself demands. */
function checked(model: PieceModel): PieceModel {
  const { pieces } = model;
  const texts = new Set(pieces.map(({ text }) => text));
  if (texts.size < pieces.length) throw new RangeError('it has a piece twice');
  if (texts.has('')) throw new RangeError('it has an empty piece');
  const unknown = pieces.filter(({ type }) => type === UNKNOWN).length;
  if (unknown !== 1) throw new RangeError(`it has ${unknown} pieces for what is unknown`);
  return model;
}

function pieceIn(bytes: Uint8Array, index: number): Piece {
  let [text, score, type] = ['', 0, NORMAL];
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 1) text = wireText(bytesOf(value));
    else if (number === 2) score = floatOf(value);
    else if (number === 3) type = numberOf(value);
  }
  if (type < 1 || type > MOST_TYPE) throw new RangeError(`piece ${index} has a type ${type}`);
  return { text, score, type };
}

function algorithmIn(bytes: Uint8Array, otherwise: number): number {
  let algorithm = otherwise;
  for (const { number, value } of fieldsOf(bytes)) if (number === 3) algorithm = numberOf(value);
  if (algorithm < 1 || algorithm > ALGORITHMS) throw new RangeError(`it has a model type ${algorithm}`);
  return algorithm;
}

type Normalizer = Pick<PieceModel, 'addsPrefix' | 'removesSpaces' | 'characterMap'>;

function normalizerIn(bytes: Uint8Array, otherwise: Normalizer): Normalizer {
  let { addsPrefix, removesSpaces, characterMap } = otherwise;
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 2) characterMap = bytesOf(value);
    else if (number === 3) addsPrefix = numberOf(value) !== 0;
    else if (number === 4) removesSpaces = numberOf(value) !== 0;
  }
  return { addsPrefix, removesSpaces, characterMap };
}

function bytesOf(value: WireValue): Uint8Array {
  if (value.kind !== 'bytes') throw new RangeError('it has a number where bytes are needed');
  return value.bytes;
}

function numberOf(value: WireValue): number {
  if (value.kind !== 'varint') throw new RangeError('it has bytes where a number is needed');
  return value.value;
}

function floatOf(value: WireValue): number {
  if (value.kind !== 'fixed' || value.bytes.length !== 4) throw new RangeError('it has a score that is no float');
  return new DataView(value.bytes.buffer, value.bytes.byteOffset, 4).getFloat32(0, true);
}
