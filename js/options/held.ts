import { reading } from '../checks.js';
import type { QuantizeFileOptions } from '../convert/options.js';
import type { Importance } from '../plan/importance.js';
import type { TypedRule } from '../rules/rule.js';
import { readImportance } from './importance.js';
import { QUANTIZE_FILE_OPTIONS, onceRead, type Given } from './names.js';
import { readRules } from './rules.js';

/** The options of `quantizeFile` as they were when it was called: what the caller does with its own later changes nothing. */
export interface HeldQuantization extends Omit<Given<QuantizeFileOptions>, 'rules' | 'importance'> {
  readonly rules: readonly TypedRule[];
  readonly importance: Importance | null;
}

/** Reads the caller's options, the rules and the importance among them completely. Throws `invalid_option`. */
export function holdQuantization(options: QuantizeFileOptions | null | undefined): HeldQuantization {
  const given = onceRead(options, QUANTIZE_FILE_OPTIONS);
  return reading('invalid_option', () => ({
    ...given,
    rules: readRules(given.rules),
    importance: readImportance(given.importance),
  }));
}
