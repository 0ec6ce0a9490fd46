import { encodedPair } from '../containers/gguf/plain-key-value.js';
import type { GgufKeyValue } from '../containers/gguf/key-values.js';
import { QuantizeError, quoted } from '../errors.js';
import type { CheckpointOptions } from './checkpoint.js';
import type { KeyList } from './key-list.js';

/** Throws `invalid_option` where one of the options was given and the output has no use for it; `why` says of what it is none. */
export function refuseOptions(options: CheckpointOptions, why: string): void {
  const { via, name, pre, chatTemplate, keyValues } = options;
  const given = { via, name, pre, chatTemplate: chatTemplate ? null : false, keyValues: keyValues[0] ?? null };
  const [option] = Object.entries(given).find(([, value]) => value !== null) ?? [];
  if (option === undefined) return;
  throw new QuantizeError('invalid_option', { detail: `${option} has no meaning, because ${why}; leave it out` });
}

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
