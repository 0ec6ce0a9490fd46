import type { ByteSource } from '../../io/byte-io.js';
import type { Entry, FilePart, OpenedFiles } from '../container.js';
import { elementCount, knownBytes, MAX_RANK } from '../dtypes.js';
import { CUT_OFF } from '../foreign-files.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { isRecord } from '../json.js';
import { checkCount, closeOthers } from '../shard-names.js';
import { readPath } from '../shards.js';
import { mlc } from './mlc.js';

/** What tvm calls types of elements. */
const DTYPES: Readonly<Record<string, string>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  float8_e4m3fn: 'F8_E4M3',
  e4m3_float8: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  e5m2_float8: 'F8_E5M2',
  ...Object.fromEntries(
    [8, 16, 32, 64].flatMap((bits) => [
      [`int${bits}`, `I${bits}`],
      [`uint${bits}`, `U${bits}`],
    ]),
  ),
  bool: 'BOOL',
};

/** A file of a tensor cache, and what lies in it. */
interface ListedFile {
  readonly path: string;
  readonly bytes: number;
  readonly entries: readonly ListedEntry[];
}

interface ListedEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly begin: number;
  readonly bytes: number;
}

/**
 * Opens the model whose tensors `said` lists, the JSON of the file `index`. Rejects with `invalid_file` where it is damaged or
 * contradicts the files, and `missing_shard`. Whatever was opened is closed again if this rejects, except `index`.
 */
export async function openTensorCache(
  index: ByteSource,
  said: Readonly<Record<string, unknown>>,
): Promise<OpenedFiles> {
  const { records } = said;
  const listed = (Array.isArray(records) ? (records as readonly unknown[]) : []).map((one) => listedFile(one, index));
  checkCount(listed.length, index);
  checkNames(listed, index);
  const shards: ByteSource[] = [];
  try {
    const parts: FilePart[] = [];
    for (const file of listed) {
      const shard = await index.sibling(file.path);
      shards.push(shard);
      parts.push(partOf(file, shard));
    }
    const sources = [index, ...shards];
    return {
      ...{ container: mlc.name, name: index.name, sources, parts, texts: new Map(), portableTexts: new Map() },
      carried: null,
      fact: () => undefined,
      close: async () => {
        await Promise.all(sources.map((file) => file.close()));
      },
    };
  } catch (error) {
    await closeOthers(shards, index);
    throw error;
  }
}

function listedFile(record: unknown, index: ByteSource): ListedFile {
  const { dataPath, nbytes, format, records } = isRecord(record) ? record : {};
  if (format !== 'raw-shard' || !isSize(nbytes) || !Array.isArray(records)) {
    throw invalidFile(index, 'it lists a file without a valid format, nbytes or records');
  }
  const entries = (records as readonly unknown[]).map((one) => listedEntry(one, index));
  const path = readPath(dataPath, entries[0]?.name ?? '', index);
  let end = 0;
  for (const { name, begin, bytes } of [...entries].sort((a, b) => a.begin - b.begin)) {
    if (begin < end || begin + bytes > nbytes)
      throw fault(index, name, 'overlaps another one, or reaches beyond its file');
    end = begin + bytes;
  }
  return { path, bytes: nbytes, entries };
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const fault = (index: ByteSource, name: string, what: string): Error =>
  invalidFile(index, `tensor ${quoted(name)} ${what}`, { layer: name });

function listedEntry(record: unknown, index: ByteSource): ListedEntry {
  const { name, shape, dtype, format, nbytes, byteOffset } = isRecord(record) ? record : {};
  if (typeof name !== 'string') throw invalidFile(index, 'it lists a tensor without a name');
  const elements = Array.isArray(shape) && shape.length <= MAX_RANK ? elementCount(shape as number[]) : NaN;
  if (Number.isNaN(elements)) throw fault(index, name, 'has no valid shape');
  const known = typeof dtype === 'string' && Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
  if (known === undefined) throw fault(index, name, `has no type that is known, but ${quoted(String(dtype))}`);
  // Floats of 32 bits are halved, whatever else the format is said of.
  const stored = known === 'F32' && format === 'f32-to-bf16' ? 'BF16' : known;
  if (!isSize(byteOffset) || !isSize(nbytes) || nbytes !== knownBytes(stored, elements)) {
    throw fault(index, name, 'has not the bytes that its shape and type take');
  }
  return { name, dtype: stored, shape: shape as number[], elements, begin: byteOffset, bytes: nbytes };
}

function checkNames(files: readonly ListedFile[], index: ByteSource): void {
  const names = new Set<string>();
  const paths = new Set<string>();
  for (const { path, entries } of files) {
    if (paths.has(path)) throw invalidFile(index, `it lists the file ${quoted(path)} twice`);
    paths.add(path);
    for (const { name } of entries) {
      if (names.has(name)) throw fault(index, name, 'is there twice');
      names.add(name);
    }
  }
}

function partOf({ bytes, entries }: ListedFile, source: ByteSource): FilePart {
  if (source.size < bytes) {
    throw invalidFile(source, `it has ${source.size} bytes, but tensor-cache.json says ${bytes}; ${CUT_OFF}`);
  }
  const listed = entries.map(({ name, dtype, shape, elements, begin, bytes: own }): Entry => {
    return { name, type: { name: dtype }, shape, elements, data: [{ source, begin, bytes: own }] };
  });
  return { source, entries: listed, texts: new Map() };
}
