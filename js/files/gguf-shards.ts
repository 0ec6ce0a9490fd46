import { invalidFile, quoted } from './errors.js';
import { readGguf, type GgufFile, type GgufTensor } from './gguf-header.js';
import { findKeyValue, wholeNumberOf, withoutKeys, type GgufKeyValue } from './gguf-key-values.js';
import type { ByteSource } from './io.js';

/** What llama.cpp's gguf-split writes into each shard: its number from 0 on, how many there are, tensors in all of them. */
export const SPLIT_NO = 'split.no';
export const SPLIT_COUNT = 'split.count';
export const SPLIT_TENSORS = 'split.tensors.count';
export const SPLIT_KEYS: readonly string[] = [SPLIT_NO, SPLIT_COUNT, SPLIT_TENSORS];

/** The largest published models have about 200; each one is an open file. */
export const MAX_SHARDS = 500;

/** A model in GGUF, one file or all its shards. */
export interface GgufModel {
  /** In the order of the shards. */
  readonly sources: readonly ByteSource[];
  readonly files: readonly GgufFile[];
  /** Those of the first shard, without the ones that number the shards. */
  readonly keyValues: readonly GgufKeyValue[];
  /** Of all shards, in order. */
  readonly tensors: readonly GgufTensor[];
}

/** The name of shard `index`, from 0 on, of `count`. `stem` may have folders before it. */
export const shardName = (stem: string, index: number, count: number): string =>
  `${stem}-${digits(index + 1)}-of-${digits(count)}.gguf`;

const digits = (number: number): string => String(number).padStart(5, '0');

/**
 * Opens the model that `source` is, or is any shard of: the others lie beside it, under the names that gguf-split gives.
 * Whatever was opened is closed again if this rejects, except `source` itself.
 * Rejects with `missing_shard` besides what `readGguf` rejects with.
 */
export async function openGgufShards(source: ByteSource): Promise<GgufModel> {
  const given = await readGguf(source);
  const count = splitNumber(given, SPLIT_COUNT, source);
  if (count <= 1) return mergeShards([source], [given]);
  if (count > MAX_SHARDS) throw invalidFile(source, `its ${count} shards are over the limit of ${MAX_SHARDS}`);
  const position = splitNumber(given, SPLIT_NO, source);
  const stem = stemOf(source, position, count);
  const opened: ByteSource[] = [];
  try {
    const sources: ByteSource[] = [];
    const files: GgufFile[] = [];
    for (let index = 0; index < count; ++index) {
      const shard = index === position ? source : await source.sibling(shardName(stem, index, count));
      if (shard !== source) opened.push(shard);
      const file = shard === source ? given : await readGguf(shard);
      checkNumbers(file, index, count, shard);
      sources.push(shard);
      files.push(file);
    }
    return mergeShards(sources, files);
  } catch (error) {
    await Promise.all(opened.map((shard) => shard.close()));
    throw error;
  }
}

/** A shard's number or count; 0 when the file is none. */
function splitNumber({ keyValues }: GgufFile, key: string, source: ByteSource): number {
  if (findKeyValue(keyValues, key) === undefined) return 0;
  const number = wholeNumberOf(keyValues, key);
  if (number === undefined || number < 0) throw invalidFile(source, `${quoted(key)} is no count`);
  return number;
}

/** What the names of all shards begin with; the given one's name must have its number and count. */
function stemOf(source: ByteSource, position: number, count: number): string {
  // A URL may have a query behind the name.
  const base = /[^/\\]*$/.exec(source.name.replace(/[?#].*$/, ''))?.[0] ?? '';
  const stem = /^(.*)-\d{5,}-of-\d{5,}\.gguf$/i.exec(base)?.[1];
  if (stem === undefined || base.toLowerCase() !== shardName(stem, position, count).toLowerCase()) {
    const needed = shardName('', position, count);
    throw invalidFile(source, `it is shard ${position + 1} of ${count}, its name must end with ${needed}`);
  }
  return stem;
}

function checkNumbers(file: GgufFile, index: number, count: number, shard: ByteSource): void {
  const [no, of] = [splitNumber(file, SPLIT_NO, shard), splitNumber(file, SPLIT_COUNT, shard)];
  if (no === index && of === count) return;
  throw invalidFile(shard, `it says that it is shard ${no + 1} of ${of}, not ${index + 1} of ${count}`);
}

function mergeShards(sources: readonly ByteSource[], files: readonly GgufFile[]): GgufModel {
  const tensors = new Map<string, GgufTensor>();
  for (const tensor of files.flatMap((file) => file.tensors)) {
    const { name, range } = tensor;
    if (tensors.has(name)) {
      throw invalidFile(range.source, `tensor ${quoted(name)} is in another shard too`, { layer: name });
    }
    tensors.set(name, tensor);
  }
  files.forEach((file, index) => {
    const source = sources[index];
    if (files.length < 2 || source === undefined || findKeyValue(file.keyValues, SPLIT_TENSORS) === undefined) return;
    const announced = splitNumber(file, SPLIT_TENSORS, source);
    if (announced !== tensors.size) {
      throw invalidFile(source, `it announces ${announced} tensors in all shards, but they have ${tensors.size}`);
    }
  });
  return {
    sources,
    files,
    keyValues: withoutKeys(files[0]?.keyValues ?? [], SPLIT_KEYS),
    tensors: [...tensors.values()],
  };
}
