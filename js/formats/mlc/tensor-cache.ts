import { checkSplit } from '../../containers/shard-names.js';
import { encodeUtf8 } from '../../containers/utf8.js';
import type {
  Container,
  FileLayout,
  OutputContents,
  OutputFile,
  Place,
  PlannedEntry,
} from '../../containers/container.js';
import { QuantizeError } from '../../errors.js';
import { mlc } from '../../containers/mlc/mlc.js';
import { printJson, type Json } from '../folder/json.js';

/** tvm fills files up to this, and lets tensors that take half of it and more have files of their own. */
const SHARD_BYTES = 32 * 2 ** 20;

/** As many characters as a sum takes. */
const NO_SUM = '0'.repeat(32);

/** What is known of a model besides its entries. */
export interface CacheModel {
  /** What floats are that stay floats: those of 32 bits are written as bfloat16. */
  readonly dtype: 'float16' | 'float32';
  /** Parameters of the model that it was made from. */
  readonly parameters: number;
}

/** One file of weights. */
interface Shard {
  readonly records: readonly Listed[];
  readonly bytes: number;
}

interface Listed {
  readonly group: number;
  readonly entry: number;
  readonly planned: PlannedEntry;
  readonly position: number;
}

/**
 * The folder of a tensor cache: `params_shard_N.bin`, and `tensor-cache.json` that lists what lies in them. Entries lie in their
 * order, without gaps. The list has the MD5 of each file, which is filled in when all are written.
 */
export const tensorCache = (model: CacheModel): Container => ({
  ...mlc,
  extension: '.bin',
  takesFileTypes: false,
  holds: ({ name }) => ['U32', 'F16', 'F32', 'BF16'].includes(name),
  partNames: (_, count) => Array.from({ length: count }, (__, index) => shardName(index)),
  layOut: (contents) => layOut(contents, model),
});

const shardName = (index: number): string => `params_shard_${index}.bin`;

function layOut({ groups, file }: OutputContents, model: CacheModel): FileLayout {
  const shards = shardsOf(groups.map(({ entries }) => entries));
  checkNames(shards, file);
  checkSplit(shards.length, SHARD_BYTES, file);
  const places: Place[][] = groups.map(() => []);
  for (const [index, { records }] of shards.entries()) {
    for (const { group, entry, position } of records) {
      const own = places[group];
      if (own !== undefined) own[entry] = { file: index, position };
    }
  }
  const files = shards.map(({ bytes }, index): OutputFile => {
    return { name: shardName(index), header: new Uint8Array(), fileBytes: bytes };
  });
  const lists = listsOf(shards, model);
  const sums = shards.map((_, index) => index);
  return {
    files: [...files, ...lists.map(({ name, text }) => listFile(name, text))],
    places,
    digests: {
      files: sums,
      place: (digests) =>
        lists.map(({ text }, index) => {
          return { file: shards.length + index, position: 0, bytes: encodeUtf8(withSums(text, digests)) };
        }),
    },
  };
}

const listFile = (name: string, text: string): OutputFile => {
  const header = encodeUtf8(text);
  return { name, header, fileBytes: header.length };
};

/** Sums stand where none were, in the order of the files. */
function withSums(text: string, sums: readonly string[]): string {
  let next = 0;
  return text.replace(new RegExp(`(?<="md5sum": ")${NO_SUM}(?=")`, 'gu'), () => sums[next++] ?? NO_SUM);
}

/** As tvm's `TensorCacheShardingManager` distributes them (tvm/contrib/tvmjs.py, 0.27). */
function shardsOf(groups: readonly (readonly PlannedEntry[])[]): readonly Shard[] {
  const shards: Shard[] = [];
  let records: Listed[] = [];
  let filled = 0;
  const commit = (): void => {
    if (filled > 0) shards.push({ records, bytes: filled });
    records = [];
    filled = 0;
  };
  for (const [group, entries] of groups.entries()) {
    for (const [entry, planned] of entries.entries()) {
      const { bytes } = planned;
      if (filled + bytes >= SHARD_BYTES) {
        if (bytes * 2 >= SHARD_BYTES) {
          shards.push({ records: [{ group, entry, planned, position: 0 }], bytes });
          continue;
        }
        commit();
      }
      records.push({ group, entry, planned, position: filled });
      filled += bytes;
    }
  }
  commit();
  return shards;
}

function checkNames(shards: readonly Shard[], file: string): void {
  const names = new Set<string>();
  for (const { name } of shards.flatMap(({ records }) => records.map(({ planned }) => planned))) {
    if (names.has(name)) throw new QuantizeError('duplicate_layer', { file, layer: name });
    names.add(name);
  }
}

const ENCODING = 'f32-to-bf16';
const DTYPES: Readonly<Record<string, string>> = { U32: 'uint32', F16: 'float16', F32: 'float32' };

/** The list, and a second one where floats of 32 bits are written as bfloat16: for who reads those. */
function listsOf(
  shards: readonly Shard[],
  model: CacheModel,
): readonly { readonly name: string; readonly text: string }[] {
  const lists = [{ name: 'tensor-cache.json', text: listText(shards, model, false) }];
  if (model.dtype === 'float16') return lists;
  return [...lists, { name: 'tensor-cache-b16.json', text: listText(shards, model, true) }];
}

function listText(shards: readonly Shard[], model: CacheModel, showsStored: boolean): string {
  const records = shards.map((shard, index): Json => {
    return jsonObject({
      dataPath: shardName(index),
      format: 'raw-shard',
      nbytes: jsonNumber(shard.bytes),
      records: shard.records.map((record) => recordJson(record, showsStored)),
      md5sum: NO_SUM,
    });
  });
  return printJson(jsonObject({ metadata: metadataOf(shards, model), records }), 4);
}

function recordJson({ planned, position }: Listed, showsStored: boolean): Json {
  const { name, shape, type, bytes } = planned;
  const isHalved = type.name === 'BF16';
  return jsonObject({
    name,
    shape: shape.map(jsonNumber),
    dtype: isHalved ? (showsStored ? 'bfloat16' : 'float32') : (DTYPES[type.name] ?? ''),
    format: isHalved && showsStored ? 'raw' : ENCODING,
    nbytes: jsonNumber(bytes),
    byteOffset: jsonNumber(position),
  });
}

/** Sizes as they are in memory, where nothing is halved. */
function metadataOf(shards: readonly Shard[], { parameters }: CacheModel): Json {
  const entries = shards.flatMap(({ records }) => records.map(({ planned }) => planned));
  const bytes = entries.reduce((sum, { type, bytes: own }) => sum + (type.name === 'BF16' ? 2 * own : own), 0);
  return jsonObject({
    ParamSize: jsonNumber(entries.length),
    ParamBytes: { number: `${bytes}.0` },
    BitsPerParam: jsonNumber(parameters === 0 ? 0 : (bytes * 8) / parameters),
  });
}

const jsonNumber = (value: number): Json => ({ number: String(value) });
const jsonObject = (members: Readonly<Record<string, Json>>): Json => new Map(Object.entries(members));
