import { QuantizeError } from '../../errors.js';
import type { Hparams } from '../config/hparams.js';
import type { Architecture } from './architecture.js';
import { gemma, gemma2, gemma3 } from './decoders/gemma.js';
import { gpt2 } from './decoders/gpt2.js';
import { llama, smollm3 } from './decoders/llama.js';
import { olmo, olmo2, olmoMixture } from './decoders/olmo.js';
import { phi2, phi3 } from './decoders/phi.js';
import { qwen2, qwen2Mixture, qwen3, qwen3Mixture } from './decoders/qwen.js';
import { ENCODERS } from './encoders/table.js';

/** The kinds of models that a GGUF can be made of. */
const ARCHITECTURES: readonly Architecture[] = [
  ...[llama, smollm3, qwen2, qwen3, qwen2Mixture, qwen3Mixture, gemma, gemma2, gemma3, phi2, phi3],
  ...[gpt2, olmo, olmo2, olmoMixture],
  ...ENCODERS,
];

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
