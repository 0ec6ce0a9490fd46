import { QuantizeError } from '../errors.js';
import type { HeapWindow, WeightSource } from '../wasm/windows.js';
import { sourceOf, storedBytes, type StoredTensor } from './container.js';
import { isWeightType } from './dtypes.js';
import { storageLabel } from './report.js';
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

/** Reads a stretch of the tensor straight into the window. */
export async function readStretch(
  { stored: { storage }, source, bytesPerWeight }: ReadableTensor,
  window: HeapWindow,
  { first, weights }: Stretch,
): Promise<void> {
  if (storage.kind === 'affine') throw new RangeError('affine tensors have no one place to be read from');
  const { data } = storage;
  await data.source.read(window.input(weights, source), data.begin + first * bytesPerWeight);
}
