import { QuantizeError } from '../../errors.js';
import { decodeStrictly, decodeUtf8 } from '../utf8.js';
import type { Fault } from './flat-table.js';
import type { Pace } from '../../io/pace.js';

/** Of all texts of a file, however often the same bytes are referred to: no more than that is kept in memory. */
const MAX_TEXT_BYTES = 2 ** 28;

const BYTES_OF_STEP = 256;

/** Gives the text of UTF-8, with a byte order mark where it has one. Throws what `refuse` makes for what is no UTF-8. */
export type TextOf = (bytes: Uint8Array, refuse: () => QuantizeError) => string;

/** What decodes the texts of one file; it throws what `fault` makes when they are too many. */
export function textReader(fault: Fault, pace: Pace): TextOf {
  let left = MAX_TEXT_BYTES;
  return (bytes, refuse) => {
    left -= bytes.length;
    if (left < 0) throw fault(`its names and other texts take more than ${MAX_TEXT_BYTES} bytes`);
    pace.spend(bytes.length / BYTES_OF_STEP);
    try {
      decodeStrictly(bytes);
    } catch (cause) {
      // Decoding may not be there at all.
      if (cause instanceof QuantizeError) throw cause;
      throw refuse();
    }
    return decodeUtf8(bytes);
  };
}
