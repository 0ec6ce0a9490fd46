/** Whether a model has the tensors that a program looks for: one that lacks some is written well, and does not open. */

import { quoted } from '../../containers/invalid-file.js';
import { QuantizeError } from '../../errors.js';

/** What a program looks for, under the names of the output. */
export interface Expected {
  readonly program: string;
  /** The weights of the module that tokens are looked up in; layers lie beside it. */
  readonly embedding: string;
  /** The weights of the module that makes logits; null where it is not known, or is the embedding. */
  readonly output: string | null;
  /** Whether every layer has the same modules. */
  readonly isUniform: boolean;
  /** How many layers config.json counts; undefined where it does not say. */
  readonly layers: number | undefined;
}

/**
 * Throws `unsupported_model` for a model whose tensors have names of another kind, and `missing_tensor` where one is not there
 * that the program needs.
 */
export function checkComplete(names: readonly string[], expected: Expected, file: string): void {
  const { program, embedding, output, isUniform } = expected;
  const known = new Set(names);
  if (!known.has(embedding)) {
    const detail = `${program} looks for ${quoted(embedding)}, which it does not have: save the model as one for causal language modeling with transformers first`;
    throw new QuantizeError('unsupported_model', { file, detail });
  }
  if (output !== null && !known.has(output)) throw new QuantizeError('missing_tensor', { file, layer: output });
  const missing = isUniform ? missingIn(names, expected) : null;
  if (missing !== null) throw new QuantizeError('missing_tensor', { file, layer: missing });
}

/** What is before and behind the number of a layer, with what is before `layers`. */
const IN_LAYER = /^(.*?\.(?:layers|h))\.(\d{1,9})\.(.+\.weight)$/u;

/** The first tensor that one layer has and another one lacks; null where all are alike. */
function missingIn(names: readonly string[], { embedding, layers: count }: Expected): string | null {
  const parent = embedding.split('.').slice(0, -2).join('.');
  const layers = new Map<number, Set<string>>();
  let place = '';
  for (const name of names) {
    const [, before, number, own] = IN_LAYER.exec(name) ?? [];
    if (before === undefined || own === undefined || before.slice(0, before.lastIndexOf('.')) !== parent) continue;
    place = before;
    const layer = layers.get(Number(number)) ?? new Set();
    layers.set(Number(number), layer.add(own));
  }
  const [first] = layers.values();
  const wanted = count ?? layers.size;
  for (const [number, own] of layers) {
    const other = [...own].find((name) => first?.has(name) === false);
    if (other !== undefined) return `${place}.${[...layers.keys()][0] ?? 0}.${other}`;
    const lacked = own.size === first?.size ? undefined : [...(first ?? [])].find((name) => !own.has(name));
    if (lacked !== undefined) return `${place}.${number}.${lacked}`;
  }
  for (let number = 0; number < Math.min(wanted, layers.size + 1); ++number) {
    if (first !== undefined && !layers.has(number)) return `${place}.${number}.${[...first][0] ?? ''}`;
  }
  return null;
}
