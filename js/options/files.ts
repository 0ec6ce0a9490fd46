/** The options of calls that work on files, with every default filled in. */

import { choice, flag, invalidOption, optionsOf } from '../checks.js';
import type { Quantization } from '../files/convert-file.js';
import type { ConvertFileOptions, DequantizeFileOptions, QuantizeFileOptions } from '../files/options.js';
import { PRESETS } from '../rules/presets.js';
import type { Mode } from '../types.js';
import { readBatch, readDefaults, readSignal, type Defaults } from './batch.js';
import { readRules } from './rules.js';

const FLOAT_TYPES = { F32: 'F32', F16: 'F16', BF16: 'BF16' } as const;

export function readQuantization(options: QuantizeFileOptions | null | undefined, defaults: Defaults): Quantization {
  const given = optionsOf(options);
  const { mode, metrics = true } = given;
  const { bits, groupSize, symmetric } = readBatch(given.bits, given, modeDefaults(mode, defaults));
  const preset = choice('mode', mode, PRESETS) ?? PRESETS[defaults.mode];
  return {
    layout: { bits, groupSize: groupSize === 'tensor' ? 0 : groupSize, symmetric },
    rules: [...readRules(given.rules), ...preset],
    measure: flag('metrics', metrics),
  };
}

/** A mode that the call names brings its own group size, unless the quantizer's profile has decided that. */
const modeDefaults = (mode: Mode | undefined, defaults: Defaults): Defaults =>
  mode === undefined || defaults.profiled ? defaults : readDefaults({ mode });

/** Null: what the tensors were before. */
export const readRestoredType = (options: DequantizeFileOptions | null | undefined): 'F32' | 'F16' | 'BF16' | null =>
  choice('dtype', optionsOf(options).dtype, FLOAT_TYPES) ?? null;

/** What all calls on files have in common, read once: a signal that is one, and callbacks that are functions. */
export function readFileOptions(options: ConvertFileOptions | null | undefined): ConvertFileOptions {
  const given = optionsOf(options);
  return {
    signal: readSignal(given),
    progress: callback('progress', given.progress),
    onTensor: callback('onTensor', given.onTensor),
    onEvent: callback('onEvent', given.onEvent),
  };
}

function callback<T>(name: string, value: T | null | undefined): T | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'function') return value;
  throw invalidOption(name, value, 'a function');
}
