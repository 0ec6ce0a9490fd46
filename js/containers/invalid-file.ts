import { QuantizeError } from '../errors.js';
import type { ByteSource } from '../io/byte-io.js';

export { quoted } from '../errors.js';

/** A file that does not say what its format demands; `detail` says what is wrong, without a full stop. */
export function invalidFile(
  source: Pick<ByteSource, 'name'>,
  detail: string,
  about: { readonly layer?: string; readonly cause?: unknown } = {},
): QuantizeError {
  return new QuantizeError('invalid_file', { file: source.name, detail, ...about });
}
