import { QuantizeError, quoted } from '../../errors.js';
import type { Hparams } from '../config/hparams.js';
import type { Architecture } from './architecture.js';
import { DECODERS } from './decoders/table.js';
import { ENCODERS } from './encoders/table.js';
import { OTHERS } from './others/table.js';

/** The kinds of models that a GGUF can be made of. */
export const ARCHITECTURES: readonly Architecture[] = [...DECODERS, ...ENCODERS, ...OTHERS];

const BY_CLASS = new Map(ARCHITECTURES.flatMap((one) => one.classes.map((name) => [name, one] as const)));

/** What GGUFs call them. The classes are several times as many: no sentence has room for them. */
const NAMES = [...new Set(ARCHITECTURES.map(({ name }) => name))];

/** The architecture of a model whose config.json has these `architectures`: the first one counts. Throws `unsupported_model`. */
export function architectureFor(classes: readonly string[], hparams: Hparams, file: string): Architecture {
  const [name] = classes;
  const found = name === undefined ? undefined : BY_CLASS.get(name);
  if (found !== undefined) return found.variant?.(hparams) ?? found;
  const problem =
    name === undefined
      ? 'config.json names no architecture'
      : `its architecture ${quoted(name)} is of none of the kinds that a GGUF can be made of`;
  const detail = `${problem} (${NAMES.join(', ')}); for another one, convert it with llama.cpp's convert_hf_to_gguf.py and give that file`;
  throw new QuantizeError('unsupported_model', { file, detail });
}
