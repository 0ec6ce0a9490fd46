import { invalidOption, isArrayOf } from '../checks.js';
import type { EncodeOptions } from '../types.js';
import { readSignal } from './batch.js';
import { readEffort } from '../plan/effort.js';
import { ENCODE_OPTIONS, readOptions } from './names.js';

/** How weights are to be encoded, with every default filled in. */
export interface Search {
  /** The caller's own, copied. */
  readonly importance: Float32Array | undefined;
  /** Place in EFFORTS. */
  readonly effort: number;
  readonly signal: AbortSignal | undefined;
}

/** Throws `invalid_option`. */
export function readSearch(options: EncodeOptions | null | undefined): Search {
  const { importance, effort, signal } = readOptions(options, ENCODE_OPTIONS);
  if (importance !== undefined && !isArrayOf(importance, 'Float32Array')) {
    throw invalidOption('importance', importance, 'a Float32Array');
  }
  return { importance: importance?.slice(), effort: readEffort(effort), signal: readSignal(signal) };
}
