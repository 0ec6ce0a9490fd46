import { QuantizeError } from '../../errors.js';
import type { OutputFile, ReaderLimits } from '../container.js';
import { elementCount } from '../dtypes.js';
import { HeaderWriter } from '../header-writer.js';
import { quoted } from '../invalid-file.js';
import { checkSplit, shardNames } from '../shard-names.js';
import { utf8Bytes } from '../utf8.js';
import { ggmlBytes, ggmlTypeNamed, isWholeBlocks, type GgmlType, type GgmlTypeId } from './ggml-types.js';
import { ALIGNMENT_KEY, DEFAULT_ALIGNMENT, GGUF_MAGIC, aligned, isAlignment } from './header.js';
import {
  GGUF_TYPES,
  i32,
  u16,
  u32,
  withKeyValue,
  withoutKeys,
  wholeNumberOf,
  type GgufKeyValue,
} from './key-values.js';
import { MAX_HEADER_BYTES, checkCounts } from './limits.js';
import { SPLIT_COUNT, SPLIT_KEYS, SPLIT_NO, SPLIT_TENSORS } from './shards.js';

const VERSION = 3;

/** Magic, version and the two counts. */
const PREAMBLE_BYTES = 24;

const UNPAIRED = /\p{Cs}/u;

/** What ggml's readers take: GGML_MAX_DIMS, and GGML_MAX_NAME without the closing zero. */
const GGML_LIMITS: ReaderLimits = { dimensions: 4, nameBytes: 63 };

/** A type that is only known by its number, and what a tensor takes in it. */
export interface CopiedType extends GgmlTypeId {
  readonly bytes: number;
}

/** A tensor to be written: `type` is the name of a ggml type, or one that is not known; `shape` in torch order. */
export interface GgufTensorPlan {
  readonly name: string;
  readonly type: string | CopiedType;
  readonly shape: readonly number[];
  /** What it takes, where the caller knows. */
  readonly bytes?: number;
  /** Whether it must be in the file of the tensor before it. */
  readonly isJoined?: boolean;
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
  /** Where files end, as the number of tensors in them and those before; a first file may have none. Default: by size. */
  readonly ends?: readonly number[];
  /** Default: ggml's. */
  readonly limits?: ReaderLimits | undefined;
  /** More pairs for the file that has the tensors from `begin` on, those from `end` on not included. Default: none. */
  readonly pairsAbout?: (begin: number, end: number) => readonly GgufKeyValue[];
  /** The output's name; shards get theirs from it. */
  readonly file: string;
}

export interface GgufTensorPlace {
  /** Index of the file. */
  readonly file: number;
  /** From the file's first byte. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufLayout {
  readonly files: readonly OutputFile[];
  /** One for each tensor, in the same order. */
  readonly places: readonly GgufTensorPlace[];
}

/** A tensor as the header describes it, and what its place in a file takes. */
interface Item {
  readonly name: string;
  readonly nameBytes: number;
  /** The contiguous dimension first. */
  readonly extents: readonly number[];
  readonly typeId: number;
  readonly bytes: number;
  readonly isJoined: boolean;
}

/** One file: its pairs, and its items from `begin` to `end`. */
interface Shard {
  readonly name: string;
  readonly pairs: readonly GgufKeyValue[];
  readonly items: readonly Item[];
}

const NO_PAIRS = (): readonly GgufKeyValue[] => [];

/**
 * Lays out a model as GGUF version 3, in one file or, with `splitBytes`, in as many as it takes, as llama.cpp's gguf-split
 * does: the pairs are in the first one, each describes its own tensors only. A model that fits into one file is no shard.
 * Throws `duplicate_layer`, `row_not_whole_blocks`, `shape_mismatch`, `unsupported_dtype`, `invalid_option`, or
 * `unwritable_output` for what GGUF cannot hold.
 */
export function layoutGguf(request: GgufLayoutRequest): GgufLayout {
  const { file, tensors, splitBytes, limits = GGML_LIMITS, pairsAbout = NO_PAIRS } = request;
  const alignment = request.alignment ?? wholeNumberOf(request.keyValues, ALIGNMENT_KEY) ?? DEFAULT_ALIGNMENT;
  if (!isAlignment(alignment)) {
    throw new QuantizeError('unwritable_output', { file, detail: `its alignment cannot be ${alignment}` });
  }
  checkCounts(tensors.length, request.keyValues, file);
  checkKeys(request.keyValues, file);
  checkNames(tensors, limits, file);
  const items = tensors.map((tensor) => itemOf(tensor, limits, file));
  const pairs = pairsOf(request.keyValues, alignment);
  const ends =
    request.ends ??
    (splitBytes === undefined ? [items.length] : splitItems(items, { pairs, pairsAbout, alignment, splitBytes }));
  if (ends.length === 1)
    return assemble([{ name: file, pairs: [...pairs, ...pairsAbout(0, items.length)], items }], alignment);
  checkSplit(ends.length, splitBytes ?? 0, file);
  const names = shardNames(file, ends.length, '.gguf');
  const shards = ends.map((end, index): Shard => {
    const begin = ends[index - 1] ?? 0;
    const own = [...(index === 0 ? pairs : laterPairs(alignment)), ...pairsAbout(begin, end)];
    return {
      name: names[index] ?? file,
      pairs: [...own, ...splitPairs(index, ends.length, items.length)],
      items: items.slice(begin, end),
    };
  });
  return assemble(shards, alignment);
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

function checkNames(tensors: readonly GgufTensorPlan[], { nameBytes }: ReaderLimits, file: string): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) throw new QuantizeError('duplicate_layer', { file, layer: name });
    names.add(name);
    const fault = faultOfName(name);
    if (fault !== null) {
      const detail = `the name of tensor ${quoted(name)} ${fault}, which no GGUF can hold`;
      throw new QuantizeError('unwritable_output', { file, layer: name, detail });
    }
    const bytes = utf8Bytes(name);
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

function itemOf(
  { name, type: planned, shape, bytes: expected, isJoined = false }: GgufTensorPlan,
  { dimensions }: ReaderLimits,
  file: string,
): Item {
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
  if (expected !== undefined && bytes !== expected) {
    throw new QuantizeError('internal', { ...about, detail: `${bytes} bytes of ${type.name}, not ${expected}` });
  }
  return { name, nameBytes: utf8Bytes(name), extents, typeId: type.id, bytes, isJoined };
}

/** What the header has about an item: its name, rank, extents, type and offset. */
const describedBytes = ({ nameBytes, extents }: Item): number => 8 + nameBytes + 4 + 8 * extents.length + 4 + 8;

const pairBytes = (pairs: readonly GgufKeyValue[]): number =>
  pairs.reduce((sum, { key, encoded }) => sum + 8 + utf8Bytes(key) + 4 + encoded.length, 0);

interface Split extends Required<Pick<GgufLayoutRequest, 'pairsAbout' | 'alignment' | 'splitBytes'>> {
  readonly pairs: readonly GgufKeyValue[];
}

/**
 * Cuts the list so that each file, its header included, stays within `splitBytes` where a cut can achieve that. Gives the
 * end of each file's part.
 */
function splitItems(items: readonly Item[], { pairs, pairsAbout, alignment, splitBytes }: Split): readonly number[] {
  const ends: number[] = [];
  const numbers = splitPairs(0, 1, 0);
  let header = PREAMBLE_BYTES + pairBytes([...pairs, ...numbers]);
  let data = 0;
  let begin = 0;
  for (const unit of unitsOf(items)) {
    const own = items.slice(unit.begin, unit.end);
    // Pairs about each item are at least as long as those about all of them.
    const described = own.reduce(
      (sum, item) => sum + describedBytes(item),
      pairBytes(pairsAbout(unit.begin, unit.end)),
    );
    const stored = own.reduce((sum, item) => sum + aligned(item.bytes, alignment), 0);
    if (unit.begin > begin && aligned(header + described, alignment) + data + stored > splitBytes) {
      ends.push(unit.begin);
      begin = unit.begin;
      header = PREAMBLE_BYTES + pairBytes([...laterPairs(alignment), ...numbers]);
      data = 0;
    }
    header += described;
    data += stored;
  }
  return [...ends, items.length];
}

/** Stretches of items that must not be cut. */
function unitsOf(items: readonly Item[]): readonly { readonly begin: number; readonly end: number }[] {
  const begins = items.flatMap(({ isJoined }, index) => (isJoined && index > 0 ? [] : [index]));
  return begins.map((begin, index) => ({ begin, end: begins[index + 1] ?? items.length }));
}

/** A string: its length in bytes, then its UTF-8. */
function writeText(writer: HeaderWriter, text: string, bytes: number): void {
  writer.u64(bytes);
  writer.utf8(text);
}

/** The header of a file without the padding behind it, and where the items go in the data. */
function describe(
  { name, pairs, items }: Shard,
  alignment: number,
): { readonly writer: HeaderWriter; readonly offsets: readonly number[] } {
  const described = items.reduce((sum, item) => sum + describedBytes(item), pairBytes(pairs));
  const writer = new HeaderWriter(aligned(PREAMBLE_BYTES + described, alignment));
  writer.utf8(GGUF_MAGIC);
  writer.u32(VERSION);
  writer.u64(items.length);
  writer.u64(pairs.length);
  for (const { key, type, encoded } of pairs) {
    writeText(writer, key, utf8Bytes(key));
    writer.u32(GGUF_TYPES.indexOf(type));
    writer.bytes(encoded);
  }
  const offsets = [0];
  for (const item of items) {
    const offset = offsets.at(-1) ?? 0;
    writeText(writer, item.name, item.nameBytes);
    writer.u32(item.extents.length);
    for (const extent of item.extents) writer.u64(extent);
    writer.u32(item.typeId);
    writer.u64(offset);
    offsets.push(offset + aligned(item.bytes, alignment));
  }
  if (writer.length > MAX_HEADER_BYTES) {
    const detail = `its header would take ${writer.length} bytes, over the limit of ${MAX_HEADER_BYTES}`;
    throw new QuantizeError('unwritable_output', { file: name, detail });
  }
  return { writer, offsets };
}

function assemble(shards: readonly Shard[], alignment: number): GgufLayout {
  const places: GgufTensorPlace[] = [];
  const files = shards.map((shard, file) => {
    const { writer, offsets } = describe(shard, alignment);
    const header = writer.finish(aligned(writer.length, alignment));
    shard.items.forEach(({ bytes }, index) => {
      places.push({ file, offset: header.length + (offsets[index] ?? 0), bytes });
    });
    return { name: shard.name, header, fileBytes: header.length + (offsets.at(-1) ?? 0) };
  });
  return { files, places };
}
