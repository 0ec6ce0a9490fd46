import { QuantizeError } from '../../errors.js';
import type { FileLayout, OutputContents, OutputFile, Place } from '../container.js';
import { HeaderWriter } from '../header-writer.js';
import { modelTexts } from '../model-texts.js';
import { checkSplit, shardNames } from '../shard-names.js';
import { utf8Bytes } from '../utf8.js';
import { LENGTH_BYTES, MAX_HEADER_BYTES, METADATA_NAME } from './header.js';
import { indexName, indexOf } from './index-file.js';
import { ALIGNMENT, byAlignment, byGroup, itemsOf, type Item } from './order.js';

/** One file of an output. */
interface Draft {
  readonly name: string;
  /** In the order in which they lie. */
  readonly items: readonly Item[];
  readonly header: Uint8Array;
  readonly fileBytes: number;
}

/** What the files of an output have in common. */
interface Request {
  readonly contents: OutputContents;
  /** By group. */
  readonly items: readonly (readonly Item[])[];
  /** What describes the model. */
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * Lays the entries out by falling alignment and then by name; for outputs that are written in order, those of a tensor lie
 * together where that can be.
 *
 * With `splitBytes`, and where one file would be larger, there are several, none of them larger unless a single tensor
 * makes it so, and their index. Each has the model's texts, and the layout's about its own tensors: it can be read alone.
 * Throws `duplicate_layer`, `unwritable_output` or `invalid_option`.
 */
export function layOut(contents: OutputContents): FileLayout {
  const { groups, file } = contents;
  const items = itemsOf(groups);
  checkNames(items, file);
  const request = { contents, items, texts: modelTexts(contents) };
  const shards = named(draftsOf(request), contents);
  const places = placesOf(shards, groups.length);
  const isIndexed = shards.length > 1 || contents.index?.isAlwaysWritten === true;
  const files = shards.map(fileOf);
  return { files: isIndexed ? [...files, indexOf(indexName(file), shards, contents.index)] : files, places };
}

/** The files of an output; of several, under the names of shards. */
function named(drafts: readonly Draft[], { file, splitBytes }: OutputContents): readonly Draft[] {
  if (splitBytes === undefined || drafts.length < 2) return drafts;
  checkSplit(drafts.length, splitBytes, file);
  const names = shardNames(file, drafts.length, '.safetensors');
  return drafts.map((draft, index) => {
    return { ...draft, name: names[index] ?? file };
  });
}

/** All files, under the name of the output. */
function draftsOf(request: Request): readonly Draft[] {
  const { groups, splitBytes } = request.contents;
  const all = groups.map((_, index) => index);
  const bytes = request.items.flat().reduce((sum, item) => sum + item.bytes, 0);
  if (splitBytes === undefined || bytes <= splitBytes) {
    const whole = draftOf(all, request);
    if (splitBytes === undefined || whole.fileBytes <= splitBytes || groups.length === 0) return [whole];
  }
  return splitGroups(request, splitBytes).flatMap((run) => draftsWithin(run, request, splitBytes));
}

const fileOf = ({ name, header, fileBytes }: Draft): OutputFile => ({ name, header, fileBytes });

function placesOf(drafts: readonly Draft[], groups: number): readonly (readonly Place[])[] {
  const places: Place[][] = Array.from({ length: groups }, () => []);
  drafts.forEach(({ items, header }, file) => {
    let position = header.length;
    for (const { group, plane, bytes } of items) {
      const ofGroup = places[group];
      if (ofGroup !== undefined) ofGroup[plane] = { file, position };
      position += bytes;
    }
  });
  return places;
}

function checkNames(groups: readonly (readonly Item[])[], file: string): void {
  const names = new Set<string>([METADATA_NAME]);
  for (const items of groups) {
    for (const { name } of items) {
      if (names.has(name)) throw new QuantizeError('duplicate_layer', { file, layer: name });
      names.add(name);
    }
  }
}

/** A file with those groups, under the name of the output. */
function draftOf(groups: readonly number[], { contents, items: all, texts }: Request): Draft {
  const { file: name, inOrder, layoutTexts } = contents;
  const chosen = groups.map((group) => all[group] ?? []);
  const items = inOrder ? byGroup(chosen) : byAlignment(chosen);
  const writer = new HeaderWriter();
  writer.u64(0);
  writer.utf8('{');
  const allTexts = new Map([...texts, ...layoutTexts(groups)]);
  if (allTexts.size > 0) {
    const pairs = [...allTexts].map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
    writer.utf8(`"${METADATA_NAME}":{${pairs.join(',')}}${items.length === 0 ? '' : ','}`);
  }
  let reached = 0;
  items.forEach((item, index) => {
    if (index > 0) writer.utf8(',');
    writeItem(writer, item, reached);
    reached += item.bytes;
  });
  writer.utf8('}');
  const header = finish(writer, name);
  return { name, items, header, fileBytes: header.length + reached };
}

function writeItem(writer: HeaderWriter, { name, dtype, shape, bytes }: Item, begin: number): void {
  writer.utf8(JSON.stringify(name));
  writer.utf8(':{"dtype":');
  writer.utf8(JSON.stringify(dtype));
  writer.utf8(',"shape":[');
  shape.forEach((size, dimension) => {
    if (dimension > 0) writer.utf8(',');
    writer.decimal(size);
  });
  writer.utf8('],"data_offsets":[');
  writer.decimal(begin);
  writer.utf8(',');
  writer.decimal(begin + bytes);
  writer.utf8(']}');
}

/** The header, with its length before it and padded so that the data is aligned. */
function finish(writer: HeaderWriter, file: string): Uint8Array {
  const bytes = Math.ceil(writer.length / ALIGNMENT) * ALIGNMENT;
  const length = bytes - LENGTH_BYTES;
  if (length > MAX_HEADER_BYTES) {
    const detail = `its header would take ${length} bytes, over the limit of ${MAX_HEADER_BYTES}`;
    throw new QuantizeError('unwritable_output', { file, detail });
  }
  const header = writer.finish(bytes, ' '.charCodeAt(0));
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  return header;
}

/** Cuts the list of groups by what each takes at most, its part of the header included. */
function splitGroups({ contents, items, texts }: Request, splitBytes: number): readonly (readonly number[])[] {
  const writer = new HeaderWriter();
  const describedBytes = (item: Item): number => {
    const before = writer.length;
    writeItem(writer, item, splitBytes);
    return writer.length - before + 1;
  };
  const textBytes = (pairs: ReadonlyMap<string, string>): number =>
    [...pairs].reduce((sum, pair) => sum + utf8Bytes(JSON.stringify(pair)), 0);
  const shared = LENGTH_BYTES + ALIGNMENT + `{"${METADATA_NAME}":{},}`.length + textBytes(texts);
  const runs: number[][] = [];
  let reached = 0;
  items.forEach((ofGroup, group) => {
    const needed = ofGroup.reduce(
      (sum, item) => sum + item.bytes + describedBytes(item),
      textBytes(contents.layoutTexts([group])),
    );
    const last = runs.at(-1);
    if (last !== undefined && shared + reached + needed <= splitBytes) {
      last.push(group);
      reached += needed;
    } else {
      runs.push([group]);
      reached = needed;
    }
  });
  return runs;
}

/** A file of those groups, or several where a layout's text about all of them is longer than those about each. */
function draftsWithin(groups: readonly number[], request: Request, splitBytes: number): readonly Draft[] {
  const draft = draftOf(groups, request);
  if (draft.fileBytes <= splitBytes || groups.length < 2) return [draft];
  const half = Math.ceil(groups.length / 2);
  return [groups.slice(0, half), groups.slice(half)].flatMap((part) => draftsWithin(part, request, splitBytes));
}
