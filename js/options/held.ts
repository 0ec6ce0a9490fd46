import { reading } from '../checks.js';
import type { PlainKeyValue } from '../containers/gguf/plain-key-value.js';
import type { Imatrix } from '../convert/imatrix.js';
import type { QuantizeFileOptions } from '../convert/options.js';
import type { Importance } from '../plan/importance.js';
import type { TypedRule } from '../rules/rule.js';
import { holdEntries, type HeldEntries } from './batch.js';
import { readImatrix } from './imatrix.js';
import { readImportance } from './importance.js';
import { readKeyValues } from './key-values.js';
import { QUANTIZE_FILE_OPTIONS, onceRead, type Given } from './names.js';
import { readRules } from './rules.js';

/** The options of `quantizeFile` as they were when it was called: what the caller does with its own later changes nothing. */
export interface HeldQuantization extends Omit<
  Given<QuantizeFileOptions>,
  'rules' | 'importance' | 'imatrix' | 'includeWeights' | 'excludeWeights' | 'keyValues' | 'layerBits'
> {
  readonly layerBits?: HeldEntries;
  readonly rules: readonly TypedRule[];
  readonly importance: Importance | null;
  readonly imatrix: Imatrix | null;
  readonly keyValues?: readonly PlainKeyValue[];
}

/** Reads the caller's options, the rules, the importance and the pairs among them completely. Throws `invalid_option`. */
export function holdQuantization(options: QuantizeFileOptions | null | undefined): HeldQuantization {
  const { keyValues: pairs, layerBits, ...given } = onceRead(options, QUANTIZE_FILE_OPTIONS);
  const { minCosine } = given;
  return reading('invalid_option', () => {
    const keyValues = readKeyValues(pairs);
    return {
      ...given,
      rules: readRules(given.rules),
      importance: readImportance(given.importance),
      imatrix: readImatrix(given),
      ...(keyValues !== undefined && { keyValues }),
      ...(typeof minCosine === 'object' && { minCosine: { ...minCosine } }),
      ...(layerBits !== undefined && { layerBits: holdEntries(Object(layerBits) as object) }),
    };
  });
}
