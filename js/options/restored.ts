import { choice, nameIn, reading } from '../checks.js';
import { codecNamed } from '../codecs/codec.js';
import { containerNamed } from '../containers/registry.js';
import type { DequantizeFileOptions } from '../convert/options.js';
import { QuantizeError } from '../errors.js';
import { layoutNamed } from '../layouts/table.js';
import { checkHeld } from '../plan/plan.js';
import type { Restoring } from '../plan/uniform.js';
import type { Given } from './names.js';
import { containerOfSink } from './quantization.js';

const FLOAT_TYPES = { F32: 'F32', F16: 'F16', BF16: 'BF16' } as const;

/** What quantized tensors are to be restored to, and in what file: the one that the name of the output says. */
export function readRestoring({ dtype }: Given<DequantizeFileOptions>, sink: unknown): Restoring {
  const container = reading('invalid_option', () => containerOfSink(sink)) ?? containerNamed('safetensors');
  if (container.takesFileTypes) {
    throw new QuantizeError('invalid_option', { detail: 'restored models are safetensors or Arrow files, no GGUF' });
  }
  const type = choice('dtype', nameIn(Object.keys(FLOAT_TYPES), dtype) ?? dtype, FLOAT_TYPES) ?? null;
  if (type !== null) checkHeld(codecNamed(type), { container, layout: layoutNamed('plain') });
  return { dtype: type, container };
}
