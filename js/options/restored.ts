import { choice, nameIn, reading } from '../checks.js';
import type { DequantizeFileOptions } from '../convert/options.js';
import { QuantizeError } from '../errors.js';
import type { Given } from './names.js';
import { containerOfSink } from './quantization.js';

const FLOAT_TYPES = { F32: 'F32', F16: 'F16', BF16: 'BF16' } as const;

/** What quantized tensors are to be restored to; null: what they were before. */
export function readRestoredType(
  { dtype }: Given<DequantizeFileOptions>,
  sink: unknown,
): 'F32' | 'F16' | 'BF16' | null {
  const container = reading('invalid_option', () => containerOfSink(sink));
  if (container !== undefined && container.name !== 'safetensors') {
    throw new QuantizeError('invalid_option', { detail: 'restored models are safetensors, no GGUF' });
  }
  return choice('dtype', nameIn(Object.keys(FLOAT_TYPES), dtype) ?? dtype, FLOAT_TYPES) ?? null;
}
