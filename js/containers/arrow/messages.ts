/** Arrow's messages in a file: those that the footer lists, or, in a stream, one behind the other (Message.fbs, File.fbs). */

import type { ByteSource } from '../../io/byte-io.js';
import { readRanges } from '../../io/read-ranges.js';
import { CUT_OFF } from '../foreign-files.js';
import { FlatTable, sizeAt, type Fault } from './flat-table.js';
import { MAGIC, beginsAsFile } from './head.js';
import type { Pace } from '../../io/pace.js';
import { ReadAhead } from './read-ahead.js';

/** Of a few hundred thousand tensors in batches of their own; no more than that is kept in memory. */
const MAX_METADATA_BYTES = 2 ** 28;

/** Behind the footer: its length, and the magic number. */
const TAIL_BYTES = 4 + MAGIC.length;
/** A message's mark, and the length of its metadata. */
const PREFIX_BYTES = 8;
const CONTINUATION = 0xffff_ffff;
const BLOCK_BYTES = 24;
/** The fifth version of the metadata is ten years old, the fourth has other unions. */
const LEAST_VERSION = 3;

/** Numbers of what messages hold. */
const SCHEMA = 1;
const DICTIONARY = 2;
const BATCH = 3;

/** A record batch, or the values of a dictionary. */
export interface Message {
  readonly kind: 'batch' | 'dictionary';
  readonly content: FlatTable;
  /** Where its buffers lie. */
  readonly bodyBegin: number;
  readonly bodyBytes: number;
}

/** All of a file but the bodies of its messages. */
export interface Messages {
  readonly schema: FlatTable;
  /** In the order in which they count. */
  readonly messages: readonly Message[];
}

/** Reads the metadata of all messages. Rejects with what `fault` makes where they do not lie in the file as they must. */
export async function readMessages(source: ByteSource, pace: Pace, fault: Fault): Promise<Messages> {
  const head = new Uint8Array(Math.min(source.size, MAGIC.length));
  await source.read(head, 0);
  return beginsAsFile(head) ? readFile(source, pace, fault) : readStream(source, pace, fault);
}

/** A message as the footer lists it. */
interface Block {
  readonly begin: number;
  readonly metadataBytes: number;
  readonly bodyBytes: number;
}

async function readFile(source: ByteSource, pace: Pace, fault: Fault): Promise<Messages> {
  const { footer, begin: end } = await readFooter(source, fault);
  const schema = footer.table(1);
  if (schema === null) throw fault('its footer has no schema');
  const blocks = [...blocksOf(footer, 2, fault), ...blocksOf(footer, 3, fault)];
  checkBlocks(blocks, end, fault);
  checkMetadata(
    blocks.reduce((sum, { metadataBytes }) => sum + metadataBytes, 0),
    fault,
  );
  const read = await readRanges(blocks.map(({ begin, metadataBytes: bytes }) => ({ source, begin, bytes })));
  const messages: Message[] = [];
  for (const [index, { begin, metadataBytes, bodyBytes }] of blocks.entries()) {
    if (pace.spend()) await pace.turn();
    const bytes = read[index] ?? new Uint8Array();
    const { length, prefix } = prefixOf(bytes, fault);
    if (prefix + length > metadataBytes) throw fault('a message in it is longer than its footer says');
    const message = messageOf(bytes.subarray(prefix, prefix + length), begin + metadataBytes, fault);
    if (message === null || message.bodyBytes > bodyBytes) throw fault('its footer contradicts its messages');
    messages.push(message);
  }
  return { schema, messages };
}

/** All of them lie before `end`, and none within another: what is read of a file is never more than the file. */
function checkBlocks(blocks: readonly Block[], end: number, fault: Fault): void {
  let reached = 0;
  for (const { begin, metadataBytes, bodyBytes } of [...blocks].sort((a, b) => a.begin - b.begin)) {
    if (begin < reached) throw fault('its footer lists record batches that overlap');
    reached = begin + metadataBytes + bodyBytes;
    if (metadataBytes < PREFIX_BYTES || reached > end) {
      throw fault('its footer lists a record batch that does not lie in it');
    }
  }
}

async function readFooter(
  source: ByteSource,
  fault: Fault,
): Promise<{ readonly footer: FlatTable; readonly begin: number }> {
  const least = PREFIX_BYTES + TAIL_BYTES;
  if (source.size < least) throw fault(`it has ${source.size} bytes, too few for an Arrow file; ${CUT_OFF}`);
  const tail = new Uint8Array(TAIL_BYTES);
  await source.read(tail, source.size - TAIL_BYTES);
  if (!beginsAsFile(tail.subarray(4))) throw fault(`it does not end as an Arrow file does; ${CUT_OFF}`);
  const length = new DataView(tail.buffer).getInt32(0, true);
  if (length <= 0 || length > source.size - least) throw fault(`it announces a footer of ${length} bytes`);
  checkMetadata(length, fault);
  const begin = source.size - TAIL_BYTES - length;
  const bytes = new Uint8Array(length);
  await source.read(bytes, begin);
  return { footer: FlatTable.root(bytes, fault), begin };
}

function blocksOf(footer: FlatTable, field: number, fault: Fault): Block[] {
  const { count, view } = footer.structs(field, BLOCK_BYTES);
  return Array.from({ length: count }, (_, index) => {
    const at = index * BLOCK_BYTES;
    const metadataBytes = view.getInt32(at + 8, true);
    return { begin: sizeAt(view, at, fault), metadataBytes, bodyBytes: sizeAt(view, at + 16, fault) };
  });
}

async function readStream(source: ByteSource, pace: Pace, fault: Fault): Promise<Messages> {
  let schema: FlatTable | null = null;
  const messages: Message[] = [];
  const ahead = new ReadAhead(source);
  let at = 0;
  let metadataBytes = 0;
  while (at < source.size) {
    if (pace.spend()) await pace.turn();
    const metadata = await readMetadata(source, ahead, at, fault);
    if (metadata === null) {
      at += PREFIX_BYTES;
      break;
    }
    metadataBytes += metadata.length;
    checkMetadata(metadataBytes, fault);
    at += PREFIX_BYTES + metadata.length;
    if (schema === null) {
      schema = schemaOf(metadata, fault);
      continue;
    }
    const message = messageOf(metadata, at, fault);
    if (message === null) throw fault('it has a message that is neither a record batch nor a dictionary');
    if (at + message.bodyBytes > source.size) {
      throw fault(`a record batch ends at byte ${at + message.bodyBytes}, but it has only ${source.size}; ${CUT_OFF}`);
    }
    at += message.bodyBytes;
    messages.push(message);
  }
  if (schema === null) throw fault('it has no schema');
  if (at !== source.size) throw fault(`its last ${source.size - at} bytes belong to no record batch`);
  return { schema, messages };
}

/** The metadata of the message that begins at `at`; null at the end of the stream. */
async function readMetadata(
  { size }: ByteSource,
  ahead: ReadAhead,
  at: number,
  fault: Fault,
): Promise<Uint8Array | null> {
  if (at + PREFIX_BYTES > size) throw fault(`it ends within a message; ${CUT_OFF}`);
  const { length, prefix } = prefixOf(await ahead.read(at, PREFIX_BYTES), fault);
  if (prefix !== PREFIX_BYTES) throw fault('a message in it begins as those of Arrow before version 0.15');
  if (length === 0) return null;
  if (at + prefix + length > size) throw fault(`it ends within a message; ${CUT_OFF}`);
  checkMetadata(length, fault);
  return ahead.read(at + prefix, length);
}

/** The length of a message's metadata, and of what stands before it. */
function prefixOf(bytes: Uint8Array, fault: Fault): { readonly length: number; readonly prefix: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const marked = view.getUint32(0, true) === CONTINUATION;
  const length = view.getInt32(marked ? 4 : 0, true);
  if (length < 0) throw fault(`it has a message of ${length} bytes`);
  return { length, prefix: marked ? PREFIX_BYTES : 4 };
}

function checkMetadata(bytes: number, fault: Fault): void {
  if (bytes > MAX_METADATA_BYTES)
    throw fault(`its ${bytes} bytes of metadata are over the limit of ${MAX_METADATA_BYTES}`);
}

function schemaOf(metadata: Uint8Array, fault: Fault): FlatTable {
  const message = FlatTable.root(metadata, fault);
  const schema = message.u8(1) === SCHEMA ? message.table(2) : null;
  if (schema === null) throw fault('it does not begin with a schema');
  checkVersion(message, fault);
  if (message.size(3) !== 0) throw fault('its schema is damaged');
  return schema;
}

/** Null for one that holds something else. */
function messageOf(metadata: Uint8Array, bodyBegin: number, fault: Fault): Message | null {
  const message = FlatTable.root(metadata, fault);
  const type = message.u8(1);
  const content = message.table(2);
  if (content === null || (type !== DICTIONARY && type !== BATCH)) return null;
  checkVersion(message, fault);
  return { kind: type === BATCH ? 'batch' : 'dictionary', content, bodyBegin, bodyBytes: message.size(3) };
}

function checkVersion(message: FlatTable, fault: Fault): void {
  const version = message.i16(0);
  if (version < LEAST_VERSION) throw fault(`it is of Arrow's old format ${version + 1}; write it with a newer version`);
}
