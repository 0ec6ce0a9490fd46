import type { Encoding } from '../wasm/windows.js';
import { targetBytes, type TensorTarget } from './container.js';
import type { TensorJob } from './convert.js';
import { isFloatType } from './dtypes.js';
import { forEachStretch } from './tensor-windows.js';
import { readStretch, readableTensor } from './weight-source.js';

/** A target that lies in one piece and is computed weight by weight or block by block. */
export type EncodedTarget = Extract<TensorTarget, { kind: 'plain' | 'block' }>;

/**
 * Encodes a tensor of floats or blocks as blocks or as floats of another type. NaN, infinities and what becomes infinite
 * in the target are refused.
 */
export function encodeTensor(job: TensorJob, target: EncodedTarget): Promise<void> {
  const tensor = readableTensor(job.stored);
  const encoding = encodingOf(target);
  const { sink, place, measure } = job;
  return forEachStretch(
    job,
    async (window, stretch) => {
      await readStretch(tensor, window, stretch);
      const { packed, error } = await window.encode(stretch.weights, tensor.source, encoding, measure);
      await sink.write(packed, place.data + targetBytes(stretch.first, target));
      return error;
    },
    tensor.bytesPerWeight,
  );
}

function encodingOf(target: EncodedTarget): Encoding {
  if (target.kind === 'block') return { kind: 'block', format: target.format };
  if (isFloatType(target.dtype)) return { kind: 'float', type: target.dtype, checked: true };
  throw new RangeError(`nothing is converted to ${target.dtype}`);
}
