import protobuf from 'protobufjs';

/** The part of sentencepiece_model.proto that its loader needs. */
const SENTENCE_PIECE = protobuf.Root.fromJSON({
  nested: {
    Piece: {
      fields: { piece: { type: 'string', id: 1 }, score: { type: 'float', id: 2 }, type: { type: 'int32', id: 3 } },
    },
    Trainer: {
      fields: {
        modelType: { type: 'int32', id: 3 },
        vocabSize: { type: 'int32', id: 4 },
        byteFallback: { type: 'bool', id: 35 },
      },
    },
    Normalizer: { fields: { name: { type: 'string', id: 1 } } },
    Model: {
      fields: {
        pieces: { rule: 'repeated', type: 'Piece', id: 1 },
        trainerSpec: { type: 'Trainer', id: 2 },
        normalizerSpec: { type: 'Normalizer', id: 3 },
      },
    },
  },
}).lookupType('Model');

const TYPES = { normal: 1, unknown: 2, control: 3, byte: 6 };
const BPE = 2;

const byteName = (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/** Words of letters, each another one; every other begins a word of a text. */
function wordOf(number) {
  let letters = '';
  for (let rest = number; rest > 0 || letters === ''; rest = Math.floor(rest / 26))
    letters += String.fromCharCode(97 + (rest % 26));
  return `${number % 2 === 0 ? '▁' : ''}${letters}${letters.length}`;
}

/** The bytes of a tokenizer.model of `size` tokens, as SentencePiece loads it. */
export function tokenizerModel(size) {
  const pieces = [
    { piece: '<unk>', score: 0, type: TYPES.unknown },
    { piece: '<s>', score: 0, type: TYPES.control },
    { piece: '</s>', score: 0, type: TYPES.control },
    ...Array.from({ length: 256 }, (_, byte) => ({ piece: byteName(byte), score: 0, type: TYPES.byte })),
  ];
  for (let i = 0; pieces.length < size; ++i) pieces.push({ piece: wordOf(i), score: -i, type: TYPES.normal });
  return SENTENCE_PIECE.encode({
    pieces,
    trainerSpec: { modelType: BPE, vocabSize: size, byteFallback: true },
    normalizerSpec: { name: 'identity' },
  }).finish();
}
