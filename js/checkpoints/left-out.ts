import { QuantizeError, quoted } from '../errors.js';

/** The error for a rule that drops what the GGUF cannot be without; `rule` is what reports call it. */
export function needsDropped({ name, rule }: { readonly name: string; readonly rule: string }): QuantizeError {
  const detail = `${quoted(rule)} drops the tensor ${quoted(name)}, without which llama.cpp does not run the model; keep it`;
  return new QuantizeError('invalid_option', { layer: name, detail });
}
