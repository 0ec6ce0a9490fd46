import { invalidOption } from '../checks.js';
import type { Imatrix } from '../convert/imatrix.js';
import type { QuantizeFileOptions } from '../convert/options.js';
import { QuantizeError } from '../errors.js';
import type { Given } from './names.js';
import { readSource } from './sources.js';

const refused = (detail: string): QuantizeError => new QuantizeError('invalid_option', { detail });

/** The file that importance is read from, and what of it is wanted; null where there is none. Throws `invalid_option`. */
export function readImatrix({
  imatrix,
  importance,
  includeWeights,
  excludeWeights,
}: Pick<Given<QuantizeFileOptions>, 'imatrix' | 'importance' | 'includeWeights' | 'excludeWeights'>): Imatrix | null {
  const include = includeWeights === undefined ? null : textsOf('includeWeights', includeWeights);
  const exclude = excludeWeights === undefined ? null : textsOf('excludeWeights', excludeWeights);
  if (imatrix === undefined) {
    if (include === null && exclude === null) return null;
    const option = include === null ? 'excludeWeights' : 'includeWeights';
    throw refused(`${option} has no meaning without imatrix; leave it out, or give the file`);
  }
  if (importance !== undefined) throw refused('imatrix and importance say the same; leave one of them out');
  if (include !== null && exclude !== null) {
    throw refused('includeWeights and excludeWeights cannot go together; leave one of them out');
  }
  return { source: readSource('imatrix', imatrix), include, exclude: exclude ?? [] };
}

/** Copies. An empty text would be in every name. */
function textsOf(option: string, value: unknown): readonly string[] {
  const needed = 'an array of parts of tensor names';
  if (!Array.isArray(value)) throw invalidOption(option, value, needed);
  return (value as readonly unknown[]).map((text) => {
    if (typeof text === 'string' && text !== '') return text;
    throw invalidOption(option, text, `${needed}, none of them empty`);
  });
}
