import { QuantizeError } from '../errors.js';
import type { WeightSource } from '../wasm/windows.js';
import { sourceOf, storedBytes, type StoredTensor } from '../containers/container.js';
import { isWeightType } from '../containers/dtypes.js';
import type { PieceInput } from './pipeline.js';
import { inputOf } from './stretch-input.js';
import { storageLabel } from '../plan/report.js';
import type { Stretch } from './tensor-windows.js';

/** A stored tensor whose values the kernels can read. */
export interface ReadableTensor {
  readonly stored: StoredTensor;
  readonly source: WeightSource;
  readonly bytesPerWeight: number;
}

/** How the kernels read a tensor; null when they cannot. */
export function weightSourceOf({ storage, dtype }: StoredTensor): WeightSource | null {
  if (storage.kind === 'block') return { kind: 'block', format: storage.format };
  if (storage.kind !== 'plain' || !isWeightType(dtype)) return null;
  return { kind: 'float', type: dtype, ...(storage.scale !== undefined && { scale: storage.scale }) };
}

/** Throws `unsupported_dtype` for a tensor that the kernels cannot read. */
export function readableTensor(stored: StoredTensor): ReadableTensor {
  const source = weightSourceOf(stored);
  if (source === null) {
    const { storage, name } = stored;
    const advice = 'it can be copied into a file of the same format, but not decoded';
    const about = { file: sourceOf(storage).name, layer: name, detail: storageLabel(stored), advice };
    throw new QuantizeError('unsupported_dtype', about);
  }
  return { stored, source, bytesPerWeight: stored.elements === 0 ? 0 : storedBytes(stored.storage) / stored.elements };
}

/** The bytes of a stretch of the tensor, on their way into a window. */
export function inputOfStretch(
  { stored: { storage }, source, bytesPerWeight }: ReadableTensor,
  { first, weights }: Stretch,
): PieceInput {
  if (storage.kind === 'affine') throw new RangeError('affine tensors have no one place to be read from');
  const { data } = storage;
  const range = { source: data.source, position: data.begin + first * bytesPerWeight, bytes: weights * bytesPerWeight };
  return inputOf([range], (window) => [window.input(weights, source)]);
}
