import type { QuantizeError } from '../../errors.js';
import { decodeStrictly, decodeUtf8 } from '../utf8.js';

/** The text of UTF-8, with a byte order mark where it has one. Throws what `refuse` makes for what is no UTF-8. */
export function textOf(bytes: Uint8Array, refuse: () => QuantizeError): string {
  try {
    decodeStrictly(bytes);
  } catch (cause) {
    if (cause instanceof TypeError) throw refuse();
    throw cause;
  }
  return decodeUtf8(bytes);
}
