import { invalidFile, quoted } from '../invalid-file.js';
import { looksLikeGguf, readGguf, type GgufFile, type GgufTensor } from './header.js';
import { findKeyValue, wholeNumberOf, withoutKeys, type GgufKeyValue } from './key-values.js';
import { MAX_TENSORS } from './limits.js';
import type { ByteSource } from '../../io/byte-io.js';
import { checkCount, closeOthers, openNumbered, shardPlace, type ShardPlace } from '../shard-names.js';

/** What llama.cpp's gguf-split writes into each shard: its number from 0 on, how many there are, tensors in all of them. */
export const SPLIT_NO = 'split.no';
export const SPLIT_COUNT = 'split.count';
export const SPLIT_TENSORS = 'split.tensors.count';
export const SPLIT_KEYS: readonly string[] = [SPLIT_NO, SPLIT_COUNT, SPLIT_TENSORS];

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
  if (count <= 1) {
    checkWhole(source);
    return mergeShards([source], [given]);
  }
  checkCount(count, source);
  const place = placeOf(source, splitNumber(given, SPLIT_NO, source), count);
  const sources = await openNumbered(source, place, looksLikeGguf);
  try {
    const files: GgufFile[] = [];
    for (const [index, shard] of sources.entries()) {
      const file = shard === source ? given : await readGguf(shard);
      checkNumbers(file, index, count, shard);
      files.push(file);
    }
    return mergeShards(sources, files);
  } catch (error) {
    await closeOthers(sources, source);
    throw error;
  }
}

/** A shard that says it is one by its name only would lose the other ones' tensors without a word. */
function checkWhole(source: ByteSource): void {
  const place = shardPlace(source.fileName);
  if (place === null) return;
  const { number, count } = place;
  const detail = `it is shard ${number} of ${count} by its name, but has no ${quoted(SPLIT_COUNT)}; rename it if it is a whole model`;
  throw invalidFile(source, detail);
}

/** A shard's number or count; 0 when the file is none. */
function splitNumber({ keyValues }: GgufFile, key: string, source: ByteSource): number {
  if (findKeyValue(keyValues, key) === undefined) return 0;
  const number = wholeNumberOf(keyValues, key);
  if (number === undefined || number < 0) throw invalidFile(source, `${quoted(key)} is no count`);
  return number;
}

/** The place that a shard's name gives it, which must be the one that it has. */
function placeOf(source: ByteSource, position: number, count: number): ShardPlace {
  const place = shardPlace(source.fileName);
  if (place?.number === position + 1 && place.count === count) return place;
  const itself = `it is shard ${position + 1} of ${count}`;
  if (source.fileName !== '') {
    throw invalidFile(source, `${itself}, its name must end with ${shardName('', position, count)}`);
  }
  throw invalidFile(
    source,
    `${itself}, and nothing says where the others are; give its path, or all files of the model`,
  );
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
    if (tensors.size === MAX_TENSORS) {
      throw invalidFile(range.source, `all shards together have more tensors than the limit of ${MAX_TENSORS}`);
    }
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
