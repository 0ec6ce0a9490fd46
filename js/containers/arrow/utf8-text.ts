import { QuantizeError } from '../../errors.js';
import { decodeStrictly, decodeUtf8 } from '../utf8.js';

/** The text of UTF-8, with a byte order mark where it has one. Throws what `refuse` makes for what is no UTF-8. */
export function textOf(bytes: Uint8Array, refuse: () => QuantizeError): string {
  try {
    decodeStrictly(bytes);
  } catch (cause) {
    // Decoding may not be there at all.
    if (cause instanceof QuantizeError) throw cause;
    throw refuse();
  }
  return decodeUtf8(bytes);
}
