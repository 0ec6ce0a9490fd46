import { encodedPair } from '../containers/gguf/plain-key-value.js';
import type { GgufKeyValue } from '../containers/gguf/key-values.js';
import { QuantizeError, quoted } from '../errors.js';
import type { CheckpointOptions } from './checkpoint.js';
import type { KeyList } from './key-list.js';

/**
 * Sets the caller's pairs. Throws `invalid_option` for one whose type is not that of the pair in whose place it comes:
 * programs refuse the file.
 */
export function setGiven(pairs: KeyList, { keyValues }: CheckpointOptions): void {
  for (const given of keyValues.map(encodedPair)) {
    const before = pairs.pairs.find(({ key }) => key === given.key);
    if (before !== undefined && typeOf(before) !== typeOf(given)) {
      const detail = `keyValues gives ${quoted(given.key)} the type ${typeOf(given)}, but it is of the type ${typeOf(before)}`;
      throw new QuantizeError('invalid_option', { detail });
    }
    pairs.set(given);
  }
}

const typeOf = ({ type, array }: GgufKeyValue): string => (array === null ? type : `${array.type}[]`);
