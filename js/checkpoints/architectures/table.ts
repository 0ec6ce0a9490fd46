import { QuantizeError } from '../../errors.js';
import type { Hparams } from '../config/hparams.js';
import type { Architecture } from './architecture.js';
import { DECODERS } from './decoders/table.js';
import { ENCODERS } from './encoders/table.js';
import { OTHERS } from './others/table.js';

/** The kinds of models that a GGUF can be made of. */
export const ARCHITECTURES: readonly Architecture[] = [...DECODERS, ...ENCODERS, ...OTHERS];

const BY_CLASS = new Map(ARCHITECTURES.flatMap((one) => one.classes.map((name) => [name, one] as const)));

/** What config.json's `architectures` may begin with, sorted. */
export const ARCHITECTURE_CLASSES: readonly string[] = [...BY_CLASS.keys()].sort();

/** The architecture of a model whose config.json has these `architectures`: the first one counts. Throws `unsupported_model`. */
export function architectureFor(classes: readonly string[], hparams: Hparams, file: string): Architecture {
  const [name] = classes;
  const found = name === undefined ? undefined : BY_CLASS.get(name);
  if (found !== undefined) return found.variant?.(hparams) ?? found;
  const problem =
    name === undefined
      ? 'config.json names no architecture'
      : `its architecture ${JSON.stringify(name)} is none of those that a GGUF can be made of`;
  const detail = `${problem} (${ARCHITECTURE_CLASSES.join(', ')}); for another one, convert it with llama.cpp's convert_hf_to_gguf.py and give that file`;
  throw new QuantizeError('unsupported_model', { file, detail });
}
