import type { Encoding } from '../wasm/windows.js';
import { targetBytes, type TensorTarget } from '../containers/container.js';
import type { TensorJob } from './convert.js';
import { isFloatType } from '../containers/dtypes.js';
import { forEachStretch } from './tensor-windows.js';
import { inputOfStretch, readableTensor } from './weight-source.js';

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
  return forEachStretch(job, {
    inputOf: (stretch) => inputOfStretch(tensor, stretch),
    outputOf: ({ first, weights }) => ({
      position: place.data + targetBytes(first, target),
      bytes: targetBytes(weights, target),
    }),
    work: async (window, { first, weights }) => {
      const { packed, error } = await window.encode(weights, tensor.source, encoding, measure);
      await window.transfer(() => [sink.write(packed, place.data + targetBytes(first, target))]);
      return error;
    },
    bytesPerWeight: tensor.bytesPerWeight,
  });
}

function encodingOf(target: EncodedTarget): Encoding {
  if (target.kind === 'block') return { kind: 'block', format: target.format };
  if (isFloatType(target.dtype)) return { kind: 'float', type: target.dtype, checked: true };
  throw new RangeError(`nothing is converted to ${target.dtype}`);
}
