/** Arrow files put together message by message, as no library writes them. */
import { flatBuffer, flatFields } from '../../../support/internals.mjs';

const { i16, i32, i64, table, tables, text, u8 } = flatFields;

const kMagic = [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31];
const kEnd = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0);
const kVersion = i16(4);

const aligned = (position) => Math.ceil(position / 64) * 64;
const structs = (value, numbers) => ({ kind: 'structs', count: value.length / numbers, value });

/** A column of a schema. `type` is the number of its type, with the fields that say more. */
export const column = (name, [type, ...parameters], { children = [], dictionary = null } = {}) => [
  ...[text(name), u8(1), u8(type), table(parameters), dictionary],
  tables(children),
];
export const kTypes = {
  binary: [4],
  utf8: [5],
  utf8View: [24],
  list: [12],
  i8: [2, i32(8), u8(1)],
  u8: [2, i32(8), u8(0)],
  i32: [2, i32(32), u8(1)],
  f32: [3, i16(1)],
};
export const listColumn = (name, type) => column(name, kTypes.list, { children: [column('item', type)] });
/** Of texts whose numbers are of 32 bits. */
export const dictionaryNumbered = (id) => table([i64(id), table([i32(32), u8(1)])]);

/** `metadata`: pairs of texts. */
export const schemaOf = (columns, metadata = []) => [
  null,
  tables(columns),
  tables(metadata.map((pair) => pair.map((one) => text(one)))),
];

const bytesOf = (buffer) => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);

/** Of columns' nodes `[length, nulls]`, and their buffers as typed arrays, none of which is null. `views`: numbers of buffers. */
function batchOf(rows, { nodes, buffers, views }) {
  const places = [];
  const parts = [];
  let bodyBytes = 0;
  for (const buffer of buffers) {
    const bytes = buffer === null ? new Uint8Array() : bytesOf(buffer);
    places.push(bodyBytes, bytes.length);
    const padded = new Uint8Array(aligned(bytes.length));
    padded.set(bytes);
    parts.push(padded);
    bodyBytes += padded.length;
  }
  const more = views === undefined ? [] : [null, structs(views, 1)];
  const content = table([i64(rows), structs(nodes.flat(), 2), structs(places, 2), ...more]);
  return { content, body: Buffer.concat(parts) };
}

export function batch(rows, contents) {
  const { content, body } = batchOf(rows, contents);
  return { kind: 'batch', body, message: [kVersion, u8(3), content, i64(body.length)] };
}

/** `adds`: to the values before. */
export function dictionary(id, rows, { adds = false, ...contents }) {
  const { content, body } = batchOf(rows, contents);
  const message = [kVersion, u8(2), table([i64(id), content, u8(Number(adds))]), i64(body.length)];
  return { kind: 'dictionary', body, message };
}

function framed(bytes) {
  const framed = new Uint8Array(aligned(8 + bytes.length));
  const view = new DataView(framed.buffer);
  view.setUint32(0, 0xffff_ffff, true);
  view.setInt32(4, framed.length - 8, true);
  framed.set(bytes, 8);
  return framed;
}

export const schemaBuffer = (schema) => flatBuffer([kVersion, u8(1), table(schema), i64(0)]);

/** A stream, of a schema or of the bytes of one. */
export const stream = (schema, messages) =>
  Buffer.concat([
    framed(Array.isArray(schema) ? schemaBuffer(schema) : schema),
    ...messages.flatMap(({ message, body }) => [framed(flatBuffer(message)), body]),
    kEnd,
  ]);

/** A file with a footer that lists each message as many `times`, the last one first where it goes `backwards`. */
export function file(schema, messages, times = 1, { backwards = false } = {}) {
  const chunks = [Uint8Array.of(...kMagic, 0, 0), new Uint8Array(56), framed(schemaBuffer(schema))];
  const blocks = { dictionary: [], batch: [] };
  let at = chunks.reduce((sum, { length }) => sum + length, 0);
  for (const { kind, message, body } of messages) {
    const metadata = framed(flatBuffer(message));
    for (let time = 0; time < times; ++time) blocks[kind].push([at, metadata.length, body.length]);
    chunks.push(metadata, body);
    at += metadata.length + body.length;
  }
  const [dictionaries, batches] = [blocks.dictionary, backwards ? blocks.batch.reverse() : blocks.batch].map((all) =>
    structs(all.flat(), 3),
  );
  const footer = flatBuffer([kVersion, table(schema), dictionaries, batches]);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setInt32(0, footer.length, true);
  return Buffer.concat([...chunks, kEnd, footer, length, Uint8Array.of(...kMagic)]);
}

/** The nodes and buffers of a column of such texts. */
export function textsIn(all) {
  const bytes = all.map((one) => Buffer.from(one));
  const ends = [0];
  for (const { length } of bytes) ends.push(ends.at(-1) + length);
  return { nodes: [[all.length, 0]], buffers: [null, Int32Array.from(ends), Buffer.concat(bytes)] };
}

/** The same of a column of lists, none of them null. */
export const listsIn = (offsets, values) => ({
  nodes: [
    [offsets.length - 1, 0],
    [values.length, 0],
  ],
  buffers: [null, Int32Array.from(offsets), null, values],
});

/** Those of several columns together. */
export const together = (...columns) => ({
  nodes: columns.flatMap(({ nodes }) => nodes),
  buffers: columns.flatMap(({ buffers }) => buffers),
});
