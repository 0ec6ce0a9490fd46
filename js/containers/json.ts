import { QuantizeError } from '../errors.js';
import type { ByteSource } from '../io/byte-io.js';
import { invalidFile, quoted } from './invalid-file.js';
import { decodeStrictly } from './utf8.js';

/** The headers that we read nest three levels; deeper ones only cost memory. */
const MAX_DEPTH = 16;

/**
 * Parses a JSON object out of UTF-8. Rejects what is no UTF-8, and what `parseJsonText` rejects.
 */
export const parseJsonObject = (
  bytes: Uint8Array,
  source: ByteSource,
  what: string,
  tensorDepth: number,
): Record<string, unknown> => parseJsonText(decodeJson(bytes, source, what), source, what, tensorDepth);

/**
 * Parses a JSON object.
 * Rejects what is no JSON, no object, nested deeper than MAX_DEPTH, or has a name twice in one object (which `JSON.parse`
 * would hide). `what` names the text in messages: "the header". `tensorDepth` is how many objects deep the names are those
 * of tensors.
 */
export function parseJsonText(
  text: string,
  source: ByteSource,
  what: string,
  tensorDepth: number,
): Record<string, unknown> {
  checkStructure(text, source, what, tensorDepth);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidFile(source, `${what} is not valid JSON`, { cause });
  }
  if (!isRecord(value)) throw invalidFile(source, `${what} is not a JSON object`);
  return value;
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The text of UTF-8, without a byte order mark. */
export function decodeJson(bytes: Uint8Array, source: ByteSource, what: string): string {
  try {
    return decodeStrictly(bytes);
  } catch (cause) {
    if (cause instanceof QuantizeError) throw cause;
    throw invalidFile(source, `${what} is not valid UTF-8`, { cause });
  }
}

const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);
const COMMA = ','.charCodeAt(0);
const [OPEN_OBJECT, CLOSE_OBJECT] = ['{'.charCodeAt(0), '}'.charCodeAt(0)];
const [OPEN_ARRAY, CLOSE_ARRAY] = ['['.charCodeAt(0), ']'.charCodeAt(0)];

/**
 * Finds duplicate names and excessive depth, in time linear in the text's length. On text that is no JSON it may find
 * anything or nothing: `JSON.parse` has the last word.
 */
function checkStructure(text: string, source: ByteSource, what: string, tensorDepth: number): void {
  const open: (Set<string> | null)[] = [];
  let nameMayFollow = false;
  for (let at = 0; at < text.length; ++at) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = stringEnd(text, at);
      const names = open.at(-1);
      if (nameMayFollow && names) {
        const name = unescaped(text.slice(at, end));
        if (names.has(name)) throw duplicateName(name, source, what, open.length === tensorDepth);
        names.add(name);
      }
      at = end - 1;
      nameMayFollow = false;
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      open.push(code === OPEN_OBJECT ? new Set() : null);
      if (open.length > MAX_DEPTH) throw invalidFile(source, `${what} nests deeper than ${MAX_DEPTH} levels`);
      nameMayFollow = true;
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      open.pop();
    } else if (code === COMMA) {
      nameMayFollow = true;
    }
  }
}

/** Position behind the string that starts at `at`; the text's end when it is not closed. */
export function stringEnd(text: string, at: number): number {
  for (let end = at + 1; end < text.length; ++end) {
    const code = text.charCodeAt(end);
    if (code === QUOTE) return end + 1;
    if (code === BACKSLASH) ++end;
  }
  return text.length;
}

function duplicateName(name: string, source: ByteSource, what: string, isTensor: boolean): QuantizeError {
  return invalidFile(source, `${what} has the name ${quoted(name)} twice`, isTensor ? { layer: name } : {});
}

function unescaped(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal;
  }
}
