import { readGguf, type GgufTensor } from '../containers/gguf/header.js';
import { findKeyValue, wholeNumberOf, type GgufKeyValue } from '../containers/gguf/key-values.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import type { ByteSource } from '../io/byte-io.js';
import { readRanges } from '../io/read-ranges.js';
import { divide, sortedEntries, type ImportanceEntry, type ImportanceMatrix } from './importance.js';

const DATASETS = 'imatrix.datasets';
const CHUNKS = 'imatrix.chunk_count';
const CHUNK_SIZE = 'imatrix.chunk_size';

/** What is stored of each tensor of the model, under its name and this: sums of squares, and how many there were. */
const SUMS = '.in_sum2';
const COUNTS = '.counts';

/** What is stored of one tensor of the model. */
interface StoredPair {
  readonly name: string;
  readonly sums: GgufTensor;
  readonly counts: GgufTensor;
}

/**
 * Reads an importance matrix in the form of a GGUF: for each tensor `<name>.in_sum2`, an F32 for each column of each matrix, and
 * `<name>.counts`, one for each matrix or for all of them. The values are their quotients in f32, the counts being rounded to
 * whole numbers, halves away from zero. Rejects with `invalid_file` or `unreadable_input`.
 */
export async function readGgufForm(source: ByteSource): Promise<ImportanceMatrix> {
  const { keyValues, tensors } = await readGguf(source);
  const pairs = storedPairs(tensors, source);
  const [chunks, chunkSize] = [CHUNKS, CHUNK_SIZE].map((key) => countUnder(key, keyValues, source));
  const datasets = datasetsOf(keyValues, source);
  const ranges = pairs.flatMap(({ sums, counts }) => [sums.range, counts.range]);
  const stored = await readRanges(ranges);
  const entries = pairs.map(({ name }, index): readonly [string, ImportanceEntry] => {
    const [sums, counts] = [floatsOf(stored[2 * index]), floatsOf(stored[2 * index + 1])];
    return [name, entryOf(name, sums, counts, source)];
  });
  return {
    ...{ file: source.name, form: 'gguf', datasets, chunks: chunks ?? 0, chunkSize: chunkSize ?? 0 },
    entries: sortedEntries(entries),
  };
}

function storedPairs(tensors: readonly GgufTensor[], source: ByteSource): readonly StoredPair[] {
  const named = (suffix: string): ReadonlyMap<string, GgufTensor> =>
    new Map(
      tensors.flatMap((tensor) =>
        tensor.name.endsWith(suffix) ? [[tensor.name.slice(0, -suffix.length), tensor] as const] : [],
      ),
    );
  const [sums, counts] = [named(SUMS), named(COUNTS)];
  if (sums.size + counts.size === 0) {
    throw invalidFile(source, `it is no importance matrix: none of its tensors ends with ${quoted(SUMS)}`);
  }
  return [...new Set([...sums.keys(), ...counts.keys()])].map((name) => {
    const pair = { name, sums: sums.get(name), counts: counts.get(name) };
    return { name, sums: floats(pair.sums, name + SUMS, source), counts: floats(pair.counts, name + COUNTS, source) };
  });
}

function floats(tensor: GgufTensor | undefined, name: string, source: ByteSource): GgufTensor {
  if (tensor === undefined) throw invalidFile(source, `it lacks the tensor ${quoted(name)}`, { layer: name });
  const { type, elements } = tensor;
  if (type.name !== 'F32')
    throw invalidFile(source, `tensor ${quoted(name)} is ${type.name}, not F32`, { layer: name });
  if (elements === 0) throw invalidFile(source, `tensor ${quoted(name)} is empty`, { layer: name });
  return tensor;
}

function countUnder(key: string, keyValues: readonly GgufKeyValue[], source: ByteSource): number {
  const pair = findKeyValue(keyValues, key);
  if (pair === undefined) throw lacks(key, source);
  const count = pair.type === 'u32' ? wholeNumberOf(keyValues, key) : undefined;
  if (count === undefined) throw invalidFile(source, `${quoted(key)} is no u32`);
  return count;
}

function datasetsOf(keyValues: readonly GgufKeyValue[], source: ByteSource): readonly string[] {
  const pair = findKeyValue(keyValues, DATASETS);
  if (pair === undefined) throw lacks(DATASETS, source);
  return pair.array?.type === 'string' ? (pair.value as readonly string[]) : [];
}

const lacks = (key: string, source: ByteSource) =>
  invalidFile(source, `it lacks the key ${quoted(key)}, which importance matrices have`);

/** Of bytes in memory of their own. */
function floatsOf(bytes: Uint8Array = new Uint8Array()): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

function entryOf(name: string, values: Float32Array, stored: Float32Array, source: ByteSource): ImportanceEntry {
  const columns = values.length / stored.length;
  if (!Number.isInteger(columns)) {
    const detail = `${quoted(name)} has ${values.length} sums for ${stored.length} matrices, must be as many for each`;
    throw invalidFile(source, detail, { layer: name });
  }
  const bad = stored.findIndex((count) => !Number.isFinite(count));
  if (bad >= 0) throw invalidFile(source, `a count of ${quoted(name)} is ${String(stored[bad])}`, { layer: name });
  const counts = Array.from(stored, (count) => Math.sign(count) * Math.floor(Math.abs(count) + 0.5));
  for (const [matrix, count] of counts.entries()) {
    divide(values.subarray(matrix * columns, (matrix + 1) * columns), count, 1);
  }
  return { values, counts };
}
