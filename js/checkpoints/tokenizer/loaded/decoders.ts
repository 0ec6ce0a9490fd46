import { decodeUtf8, encodeUtf8 } from '../../../containers/utf8.js';
import { itemsOf, member, textIn } from '../plain.js';

/** How deep sequences of decoders are followed; published ones nest once. */
const MOST_DEPTH = 32;

/** The text of one token by itself, as a tokenizer.json's decoder has it; undefined for a decoder that is not known. */
export function decodedToken(token: string, decoder: unknown, depth = 0): string | undefined {
  if (decoder === null || decoder === undefined) return token;
  const decode = DECODERS.get(textIn(member(decoder, 'type')) ?? '');
  return depth > MOST_DEPTH ? undefined : decode?.(token, decoder, depth);
}

type Decode = (token: string, decoder: unknown, depth: number) => string | undefined;

const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['ByteLevel', (token) => byteLevelText(token)],
  ['WordPiece', (token, decoder) => (member(decoder, 'cleanup') === false ? token : cleanedPieces(token))],
  ['BPEDecoder', (token, decoder) => withoutSuffix(token, textIn(member(decoder, 'suffix')) ?? '</w>')],
  ['Metaspace', (token, decoder) => withoutMarks(token, decoder)],
  ['Fuse', (token) => token],
  ['ByteFallback', (token) => fallbackText(token)],
  ['Strip', (token, decoder) => stripped(token, decoder)],
  ['Replace', (token, decoder) => replaced(token, decoder)],
  ['Sequence', inSequence],
]);

function inSequence(token: string, decoder: unknown, depth: number): string | undefined {
  let text: string | undefined = token;
  for (const one of itemsOf(member(decoder, 'decoders'))) {
    if (text !== undefined) text = decodedToken(text, one, depth + 1);
  }
  return text;
}

/** The bytes that characters stand for in byte-level BPE. */
const BYTES: ReadonlyMap<string, number> = byteCharacters();

function byteCharacters(): Map<string, number> {
  const isShown = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const hidden = bytes.filter((byte) => !isShown(byte));
  const pairs = bytes.map((byte): [string, number] => {
    const character = isShown(byte) ? byte : 256 + hidden.indexOf(byte);
    return [String.fromCharCode(character), byte];
  });
  return new Map(pairs);
}

/** Bytes that are no UTF-8 become U+FFFD; a token with a character that stands for no byte is taken as it is. */
function byteLevelText(token: string): string {
  const bytes = Array.from(token, (character) => BYTES.get(character));
  const isWhole = bytes.every((byte) => byte !== undefined);
  return decodeUtf8(isWhole ? Uint8Array.from(bytes) : encodeUtf8(token));
}

const CLEANED = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
] as const;
const CLEANED_LAST = [
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
] as const;

type Replacements = readonly (readonly [from: string, to: string])[];

const replacedAll = (text: string, replacements: Replacements): string =>
  replacements.reduce((all, [from, to]) => all.replaceAll(from, to), text);

/** What decoding does about spaces where `clean_up_tokenization_spaces` is set. */
export const cleanedSpaces = (text: string): string => replacedAll(text, [...CLEANED, ...CLEANED_LAST]);

const cleanedPieces = (text: string): string => replacedAll(text, [...CLEANED, [' do not', " don't"], ...CLEANED_LAST]);

/** The last token of a text loses the sign of a word's end. */
const withoutSuffix = (token: string, suffix: string): string => token.replaceAll(suffix, '');

/** Signs of spaces become spaces, but for that which begins a text. */
function withoutMarks(token: string, decoder: unknown): string {
  const mark = textIn(member(decoder, 'replacement')) ?? '▁';
  const isBare = member(decoder, 'prepend_scheme') === 'never' || member(decoder, 'add_prefix_space') === false;
  const text = !isBare && token.startsWith(mark) ? token.slice(mark.length) : token;
  return text.replaceAll(mark, ' ');
}

function fallbackText(token: string): string {
  const [, digits] = /^<0x([0-9a-f]{2})>$/iu.exec(token) ?? [];
  return digits === undefined ? token : decodeUtf8(Uint8Array.of(Number.parseInt(digits, 16)));
}

function stripped(token: string, decoder: unknown): string {
  const content = member(decoder, 'content');
  if (typeof content !== 'string') return token;
  const characters = Array.from(token);
  const [most, mostLast] = [countIn(decoder, 'start'), countIn(decoder, 'stop')];
  let begin = 0;
  while (begin < most && begin < characters.length && characters[begin] === content) ++begin;
  let end = characters.length;
  while (characters.length - end < mostLast && end > begin && characters[end - 1] === content) --end;
  return characters.slice(begin, end).join('');
}

const countIn = (decoder: unknown, name: string): number => Number(member(decoder, name)) || 0;

function replaced(token: string, decoder: unknown): string | undefined {
  const [pattern, content] = [member(member(decoder, 'pattern'), 'String'), member(decoder, 'content')];
  return typeof pattern === 'string' && typeof content === 'string' ? token.replaceAll(pattern, content) : undefined;
}
