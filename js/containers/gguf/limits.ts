/**
 * How much a GGUF header may hold, for reading and writing alike: what is written can be read again. A header stays in
 * memory as a whole, and each tensor or pair takes well under a kilobyte besides.
 */

import { QuantizeError } from '../../errors.js';
import { quoted } from '../invalid-file.js';
import { encodeUtf8 } from '../utf8.js';
import type { GgufKeyValue } from './key-values.js';

/** Vocabulary and merges of the largest published models take about 20 MB. */
export const MAX_HEADER_BYTES = 256 * 2 ** 20;

/** Language models have a few thousand, since a layer's experts are joined; one tensor an expert makes a hundred thousand. */
export const MAX_TENSORS = 2 ** 19;

/** A few dozen, and for some diffusion models one a tensor. */
export const MAX_KEY_VALUES = 2 ** 19;

/** A writer adds the alignment and what numbers shards. */
const OWN_KEY_VALUES = 4;

/** The limit that the format sets keys. Tensors' names are short: ggml's have at most 63 bytes. */
export const MAX_NAME_BYTES = 65_535;

/** Throws `unwritable_output` for a model, of one file or many, with more than may be read again. */
export function checkCounts(tensors: number, keyValues: readonly GgufKeyValue[], file: string): void {
  const fail = (detail: string): QuantizeError => new QuantizeError('unwritable_output', { file, detail });
  if (tensors > MAX_TENSORS) throw fail(`its ${tensors} tensors are over the limit of ${MAX_TENSORS}`);
  const most = MAX_KEY_VALUES - OWN_KEY_VALUES;
  if (keyValues.length > most) throw fail(`its ${keyValues.length} key-value pairs are over the limit of ${most}`);
  const long = keyValues.find(({ key }) => utf8Bytes(key) > MAX_NAME_BYTES);
  if (long !== undefined) throw fail(`its key ${quoted(long.key)} is longer than ${MAX_NAME_BYTES} bytes`);
}

/** No text takes more than three bytes a unit: most need not be encoded to be counted. */
const utf8Bytes = (text: string): number => (text.length * 3 <= MAX_NAME_BYTES ? text.length : encodeUtf8(text).length);
