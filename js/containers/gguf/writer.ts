import { QuantizeError } from '../../errors.js';
import { elementCount } from '../dtypes.js';
import { quoted } from '../invalid-file.js';
import { ggmlBytes, ggmlTypeNamed, isWholeBlocks, type GgmlType, type GgmlTypeId } from './ggml-types.js';
import { ALIGNMENT_KEY, DEFAULT_ALIGNMENT, GGUF_MAGIC, aligned, isAlignment } from './header.js';
import {
  encodeKeyValue,
  encodeLength,
  encodeNumber,
  encodeText,
  i32,
  joined,
  u16,
  u32,
  withKeyValue,
  withoutKeys,
  wholeNumberOf,
  type GgufKeyValue,
} from './key-values.js';
import { MAX_HEADER_BYTES, checkCounts } from './limits.js';
import { SPLIT_COUNT, SPLIT_KEYS, SPLIT_NO, SPLIT_TENSORS, shardName } from './shards.js';
import { MAX_SHARDS } from '../shard-names.js';

const VERSION = 3;

/** Magic, version and the two counts. */
const PREAMBLE_BYTES = 24;

const UNPAIRED = /\p{Cs}/u;

/** What ggml's readers take: GGML_MAX_DIMS, and GGML_MAX_NAME without the closing zero. */
const GGML_LIMITS: GgufLimits = { dimensions: 4, nameBytes: 63 };

/** What the programs that a file is for can read. */
export interface GgufLimits {
  readonly dimensions: number;
  readonly nameBytes: number;
}

/** A type that is only known by its number, and what a tensor takes in it. */
export interface CopiedType extends GgmlTypeId {
  readonly bytes: number;
}

/** A tensor to be written: `type` is the name of a ggml type, or one that is not known; `shape` in torch order. */
export interface GgufTensorPlan {
  readonly name: string;
  readonly type: string | CopiedType;
  readonly shape: readonly number[];
}

export interface GgufLayoutRequest {
  /** Those that number shards are left out or set anew. */
  readonly keyValues: readonly GgufKeyValue[];
  /** In the order in which they are to lie in the files. */
  readonly tensors: readonly GgufTensorPlan[];
  /** Default: what `general.alignment` says, or 32. */
  readonly alignment?: number;
  /** No file becomes larger, unless a single tensor makes it so. Default: one file. */
  readonly splitBytes?: number;
  /** Default: ggml's. */
  readonly limits?: GgufLimits | undefined;
  /** The output's name; shards get theirs from it. */
  readonly file: string;
}

/** A complete output file but for the tensors' bytes; what is neither header nor tensor is zeros. */
export interface GgufFileLayout {
  readonly name: string;
  readonly header: Uint8Array;
  readonly fileBytes: number;
}

export interface GgufTensorPlace {
  /** Index of the file. */
  readonly file: number;
  /** From the file's first byte. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufLayout {
  readonly files: readonly GgufFileLayout[];
  /** One for each tensor, in the same order. */
  readonly places: readonly GgufTensorPlace[];
}

/** A tensor with what its place in a file takes. */
interface Item {
  readonly bytes: number;
  /** The first part of its description in the header, without the offset behind it. */
  readonly description: Uint8Array;
}

/**
 * Lays out a model as GGUF version 3, in one file or, with `splitBytes`, in as many as it takes, as llama.cpp's gguf-split
 * does: the pairs are in the first one, each describes its own tensors only. A model that fits into one file is no shard.
 * Throws `duplicate_layer`, `row_not_whole_blocks`, `shape_mismatch`, `unsupported_dtype`, `invalid_option`, or
 * `unwritable_output` for what GGUF cannot hold.
 */
export function layoutGguf(request: GgufLayoutRequest): GgufLayout {
  const { file, tensors, splitBytes, limits = GGML_LIMITS } = request;
  const alignment = request.alignment ?? wholeNumberOf(request.keyValues, ALIGNMENT_KEY) ?? DEFAULT_ALIGNMENT;
  if (!isAlignment(alignment)) {
    throw new QuantizeError('unwritable_output', { file, detail: `its alignment cannot be ${alignment}` });
  }
  checkCounts(tensors.length, request.keyValues, file);
  checkKeys(request.keyValues, file);
  checkNames(tensors, limits, file);
  const items = tensors.map((tensor) => itemOf(tensor, limits, file));
  const pairs = pairsOf(request.keyValues, alignment);
  const shards = splitBytes === undefined ? [items] : splitItems(items, pairs, alignment, splitBytes);
  if (shards.length === 1) return assemble([{ name: file, pairs, items }], alignment);
  if (shards.length > MAX_SHARDS) {
    const detail = `a split size of ${String(splitBytes)} bytes makes ${shards.length} files, the limit is ${MAX_SHARDS}`;
    throw new QuantizeError('invalid_option', { file, detail });
  }
  const stem = file.replace(/\.gguf$/i, '');
  const named = shards.map((shard, index) => ({
    name: shardName(stem, index, shards.length),
    pairs: [...(index === 0 ? pairs : laterPairs(alignment)), ...splitPairs(index, shards.length, items.length)],
    items: shard,
  }));
  return assemble(named, alignment);
}

function pairsOf(keyValues: readonly GgufKeyValue[], alignment: number): readonly GgufKeyValue[] {
  const own = withoutKeys(keyValues, SPLIT_KEYS);
  const said = wholeNumberOf(own, ALIGNMENT_KEY) ?? DEFAULT_ALIGNMENT;
  return said === alignment ? own : withKeyValue(own, u32(ALIGNMENT_KEY, alignment));
}

/** Every file says its own alignment: that of the first does not hold for the others. */
const laterPairs = (alignment: number): readonly GgufKeyValue[] =>
  alignment === DEFAULT_ALIGNMENT ? [] : [u32(ALIGNMENT_KEY, alignment)];

/** In gguf-split's order and types, which llama.cpp insists on. */
const splitPairs = (index: number, count: number, tensors: number): readonly GgufKeyValue[] => [
  u16(SPLIT_NO, index),
  i32(SPLIT_TENSORS, tensors),
  u16(SPLIT_COUNT, count),
];

function checkKeys(keyValues: readonly GgufKeyValue[], file: string): void {
  const keys = new Set<string>();
  for (const { key } of keyValues) {
    if (keys.has(key)) {
      throw new QuantizeError('unwritable_output', { file, detail: `the key ${quoted(key)} would occur twice` });
    }
    keys.add(key);
  }
}

function checkNames(tensors: readonly GgufTensorPlan[], { nameBytes }: GgufLimits, file: string): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) throw new QuantizeError('duplicate_layer', { file, layer: name });
    names.add(name);
    const fault = faultOfName(name);
    if (fault !== null) {
      const detail = `the name of tensor ${quoted(name)} ${fault}, which no GGUF can hold`;
      throw new QuantizeError('unwritable_output', { file, layer: name, detail });
    }
    const bytes = new TextEncoder().encode(name).length;
    if (bytes <= nameBytes) continue;
    const detail = `the name of tensor ${quoted(name)} has ${bytes} bytes, readers of GGUF take at most ${nameBytes}`;
    throw new QuantizeError('unwritable_output', { file, layer: name, detail });
  }
}

/** For ggml a name ends with its first NUL, and halves of surrogate pairs all become the same bytes: names would collide. */
function faultOfName(name: string): string | null {
  if (name === '') return 'is empty';
  if (name.includes('\0')) return 'has a NUL character in it';
  return UNPAIRED.test(name) ? 'has half of a surrogate pair in it' : null;
}

function knownType(name: string, about: { readonly file: string; readonly layer: string }): GgmlType {
  const type = ggmlTypeNamed(name);
  if (type === undefined) throw new QuantizeError('unsupported_dtype', { ...about, detail: name });
  return type;
}

function itemOf({ name, type: planned, shape }: GgufTensorPlan, { dimensions }: GgufLimits, file: string): Item {
  const about = { file, layer: name };
  const type = typeof planned === 'string' ? knownType(planned, about) : planned;
  if (shape.length > dimensions) {
    const detail = `tensor ${quoted(name)} has ${shape.length} dimensions, readers of GGUF take at most ${dimensions}`;
    throw new QuantizeError('unwritable_output', { ...about, detail });
  }
  const extents = shape.length === 0 ? [1] : [...shape].reverse();
  const bytes = 'bytes' in type ? type.bytes : ggmlBytes(type, elementCount(extents));
  if (Number.isNaN(bytes)) {
    throw new QuantizeError('shape_mismatch', { ...about, detail: `[${shape.join(', ')}]` });
  }
  const row = extents[0] ?? 1;
  if (!('bytes' in type) && !isWholeBlocks(type, row)) {
    const detail = `rows of ${row}, ${type.name} has blocks of ${type.blockWeights}`;
    throw new QuantizeError('row_not_whole_blocks', { ...about, detail });
  }
  const description = joined([
    encodeText(name),
    encodeNumber('u32', extents.length),
    ...extents.map(encodeLength),
    encodeNumber('u32', type.id),
  ]);
  return { bytes, description };
}

const headerBytes = (pairs: readonly GgufKeyValue[]): number =>
  PREAMBLE_BYTES + pairs.reduce((sum, pair) => sum + encodeKeyValue(pair).length, 0);

/** Cuts the list so that each file, its header included, stays within `splitBytes` where a cut can achieve that. */
function splitItems(
  items: readonly Item[],
  pairs: readonly GgufKeyValue[],
  alignment: number,
  splitBytes: number,
): readonly (readonly Item[])[] {
  const shards: Item[][] = [[]];
  const numbers = splitPairs(0, 1, 0);
  let header = headerBytes([...pairs, ...numbers]);
  let data = 0;
  for (const item of items) {
    const described = item.description.length + 8;
    const stored = aligned(item.bytes, alignment);
    const last = shards.at(-1);
    if (last?.length && aligned(header + described, alignment) + data + stored > splitBytes) {
      shards.push([item]);
      header = headerBytes([...laterPairs(alignment), ...numbers]) + described;
      data = stored;
    } else {
      last?.push(item);
      header += described;
      data += stored;
    }
  }
  return shards;
}

function assemble(
  shards: readonly {
    readonly name: string;
    readonly pairs: readonly GgufKeyValue[];
    readonly items: readonly Item[];
  }[],
  alignment: number,
): GgufLayout {
  const places: GgufTensorPlace[] = [];
  const files = shards.map(({ name, pairs, items }, file) => {
    const parts = [
      new TextEncoder().encode(GGUF_MAGIC),
      encodeNumber('u32', VERSION),
      encodeLength(items.length),
      encodeLength(pairs.length),
      ...pairs.map(encodeKeyValue),
    ];
    const offsets: number[] = [];
    let data = 0;
    for (const { bytes, description } of items) {
      parts.push(description, encodeLength(data));
      offsets.push(data);
      data += aligned(bytes, alignment);
    }
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length > MAX_HEADER_BYTES) {
      const detail = `its header would take ${length} bytes, over the limit of ${MAX_HEADER_BYTES}`;
      throw new QuantizeError('unwritable_output', { file: name, detail });
    }
    const header = joined([...parts, new Uint8Array(aligned(length, alignment) - length)]);
    items.forEach(({ bytes }, index) => places.push({ file, offset: header.length + (offsets[index] ?? 0), bytes }));
    return { name, header, fileBytes: header.length + data };
  });
  return { files, places };
}
