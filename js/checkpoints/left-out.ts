import { QuantizeError, quoted } from '../errors.js';
import type { Tensor } from '../layouts/tensor.js';
import type { LeftOut } from './checkpoint.js';
import { splitWeights } from './weights/quantized/companions.js';

/** The error for a rule that drops what the GGUF cannot be without; `rule` is what reports call it. */
export function needsDropped({ name, rule }: { readonly name: string; readonly rule: string }): QuantizeError {
  const detail = `${quoted(rule)} drops the tensor ${quoted(name)}, without which llama.cpp does not run the model; keep it`;
  return new QuantizeError('invalid_option', { layer: name, detail });
}

/** Throws where rules drop some of the tensors that quantized weights are split into, but not all: what is left is not the weights. */
export function refuseBroken(tensors: readonly Tensor[], leftOut: readonly LeftOut[]): void {
  if (leftOut.length === 0) return;
  const rules = new Map(leftOut.map(({ tensor, rule }) => [tensor, rule]));
  for (const split of splitWeights(tensors)) {
    const kept = split.find((tensor) => !rules.has(tensor));
    const dropped = split.find((tensor) => rules.has(tensor));
    if (kept === undefined || dropped === undefined) continue;
    const rule = quoted(rules.get(dropped) ?? '');
    const detail = `${rule} drops the tensor ${quoted(dropped.name)}, without which ${quoted(kept.name)} means something else; drop both, or none`;
    throw new QuantizeError('invalid_option', { layer: dropped.name, detail });
  }
}
