import type { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { Entry, FilePart } from '../container.js';
import { elementCount, knownBytes } from '../dtypes.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { readArchive } from './archive.js';
import { looksOld, looksZipped } from './head.js';
import { readOld } from './old-file.js';
import type { NamedTensor, StoredBytes } from './state-dict.js';
import { readBytes } from './zip.js';

/** Tensors may lie in the same bytes, but a small file is no large model. */
const MOST_REPEATED = 64;

/** Reads and checks all of a checkpoint but the tensors' bytes (docs/formats.md). Rejects with `invalid_file`. */
export async function readCheckpoint(source: ByteSource): Promise<FilePart> {
  const head = await readBytes(source, 0, Math.min(source.size, 4));
  const isOld = looksOld(head);
  // Only a shard comes here that is none: alone it would have been opened as what it is.
  if (!isOld && !looksZipped(head)) throw invalidFile(source, "it is no PyTorch checkpoint, as the model's others are");
  const { tensors, storages, notes } = await (isOld ? readOld(source) : readArchive(source));
  const entries = tensors.map((named) => entryOf(named, storages, source));
  checkRepeated(entries, source);
  return { source, entries, texts: new Map(), notes };
}

function entryOf({ name, tensor }: NamedTensor, storages: ReadonlyMap<string, StoredBytes>, source: ByteSource): Entry {
  const { storage, dtype, offset, shape, strides } = tensor;
  const fault = (detail: string): QuantizeError =>
    invalidFile(source, `tensor ${quoted(name)} ${detail}`, { layer: name });
  const elements = elementCount(shape);
  const bytes = knownBytes(dtype, elements);
  const [width, stored] = [knownBytes(dtype, 1), storages.get(storage.key)];
  if (Number.isNaN(elements) || bytes === undefined || width === undefined) throw fault('has no valid shape');
  const begin = offset * width;
  if (stored === undefined || (elements > 0 && begin + bytes > stored.bytes)) throw fault('reaches beyond its storage');
  if (!isContiguous(shape, strides)) {
    throw fault(`is a view with the strides [${strides.join(', ')}]; make it contiguous() and save it again`);
  }
  const range = { source, begin: stored.begin + (elements > 0 ? begin : 0), bytes };
  return { name, type: { name: dtype }, shape, elements, data: [range] };
}

/** Whether elements lie one after the other, the last dimension's first. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let dimension = shape.length - 1; dimension >= 0; --dimension) {
    const size = shape[dimension] ?? 0;
    if (size === 0) return true;
    if (size > 1 && strides[dimension] !== step) return shape.includes(0);
    step *= size;
  }
  return true;
}

function checkRepeated(entries: readonly Entry[], source: ByteSource): void {
  const bytes = entries.reduce((sum, { data }) => sum + (data[0]?.bytes ?? 0), 0);
  if (bytes <= source.size * MOST_REPEATED) return;
  throw invalidFile(source, `its tensors take ${bytes} bytes, over ${MOST_REPEATED} times as many as the file has`);
}
