/** What a file in Arrow's IPC format begins with, and ends with. */
export const MAGIC = [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31] as const;

/** Whether a file begins as those of Arrow with a footer do. */
export const beginsAsFile = (head: Uint8Array): boolean => MAGIC.every((byte, at) => head[at] === byte);

/** Schemas are shorter; what else begins with four bytes 255 has most likely another number there. */
const MAX_SCHEMA_BYTES = 2 ** 24;

/** Whether a file begins as a stream of Arrow's messages: a mark, the length of the schema, and a FlatBuffer. */
function beginsAsStream(head: Uint8Array): boolean {
  if (head.length < 12) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const length = view.getUint32(4, true);
  const root = view.getUint32(8, true);
  const isMarked = view.getUint32(0, true) === 0xffff_ffff;
  const isLength = length > 0 && length % 8 === 0 && length <= MAX_SCHEMA_BYTES;
  return isMarked && isLength && root >= 4 && root < length && root % 2 === 0;
}

/** Whether a file begins as Arrow's do, with a footer or as a stream. */
export const looksLikeArrow = (head: Uint8Array): boolean => beginsAsFile(head) || beginsAsStream(head);
