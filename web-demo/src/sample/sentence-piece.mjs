/** `tokenizer.model`: SentencePiece's `ModelProto`, in the wire format of Protocol Buffers. */

/** Numbers of fields: of `ModelProto`, of its pieces, and of `TrainerSpec`. */
const PIECES = 1;
const TRAINER = 2;
const [PIECE, SCORE, TYPE] = [1, 2, 3];
const [MODEL_TYPE, VOCABULARY_SIZE, BYTE_FALLBACK] = [3, 4, 35];
/** Of `TrainerSpec.ModelType`. */
const BPE = 2;

const [VARINT, LENGTH_DELIMITED, FIXED_32] = [0, 2, 5];

/**
 * @param {readonly {readonly piece: string, readonly score: number, readonly type: number}[]} vocabulary
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function sentencePieceModel(vocabulary) {
  const trainer = [
    ...number(MODEL_TYPE, BPE),
    ...number(VOCABULARY_SIZE, vocabulary.length),
    ...number(BYTE_FALLBACK, 1),
  ];
  const pieces = vocabulary.flatMap(({ piece, score, type }) =>
    message(PIECES, [
      ...message(PIECE, new TextEncoder().encode(piece)),
      ...float(SCORE, score),
      ...number(TYPE, type),
    ]),
  );
  return Uint8Array.from([...pieces, ...message(TRAINER, trainer)]);
}

/** @type {(field: number, wireType: number) => number[]} */
const tag = (field, wireType) => varint(field * 8 + wireType);

/** @type {(field: number, value: number) => number[]} */
const number = (field, value) => [...tag(field, VARINT), ...varint(value)];

/** @type {(field: number, bytes: ArrayLike<number>) => number[]} */
const message = (field, bytes) => [...tag(field, LENGTH_DELIMITED), ...varint(bytes.length), ...Array.from(bytes)];

/** @type {(field: number, value: number) => number[]} */
const float = (field, value) => [...tag(field, FIXED_32), ...new Uint8Array(Float32Array.of(value).buffer)];

/**
 * Seven bits a byte, the lowest first.
 *
 * @param {number} value
 * @returns {number[]}
 */
const varint = (value) => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]);
