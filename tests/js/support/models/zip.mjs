/** Writes zip archives for the tests, from PKWARE's APPNOTE.TXT alone. */
import { crc32, deflateRawSync } from 'node:zlib';

const u16 = (...values) => Buffer.concat(values.map((value) => Buffer.from([value & 255, value >> 8])));
const u32 = (...values) => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
};
const u64 = (...values) => {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, index) => bytes.writeBigUInt64LE(BigInt(value), index * 8));
  return bytes;
};

const kElsewhere = 0xffff_ffff;

/**
 * An archive of `{ name, bytes }`. What torch.save writes is aligned to `alignment` bytes, by padding in the local header's
 * extra field, and followed by a descriptor of `descriptorBytes` (16 or 24; 0 for none). `wide` puts all numbers of the
 * directory into fields of 64 bits. `change` may change what is said of an entry, `method` 8 compresses it.
 */
export function zip(
  entries,
  { alignment = 64, descriptorBytes = 16, wide = false, comment = '', change = (one) => one } = {},
) {
  const chunks = [];
  const records = [];
  let at = 0;
  const add = (chunk) => {
    chunks.push(chunk);
    at += chunk.length;
  };
  for (const given of entries) {
    const { name, bytes, method = 0 } = given;
    const packed = method === 0 ? bytes : deflateRawSync(bytes);
    const about = change({
      name,
      method,
      flags: descriptorBytes > 0 ? 8 : 0,
      checksum: crc32(bytes),
      packed: packed.length,
      bytes: bytes.length,
      header: at,
    });
    records.push(recordOf(about, wide));
    const text = Buffer.from(name);
    const extra = paddingOf(at + 30 + text.length, alignment);
    const sizes = descriptorBytes > 0 ? u32(0, 0, 0) : u32(about.checksum, packed.length, bytes.length);
    add(
      Buffer.concat([
        u32(0x04034b50),
        u16(20, about.flags, method, 0, 0),
        sizes,
        u16(text.length, extra.length),
        text,
        extra,
      ]),
    );
    add(packed);
    if (descriptorBytes === 16) add(u32(0x08074b50, about.checksum, packed.length, bytes.length));
    if (descriptorBytes === 24) add(Buffer.concat([u32(0x08074b50, about.checksum), u64(packed.length, bytes.length)]));
  }
  add(endOf(records, at, wide, comment));
  return Buffer.concat(chunks);
}

function paddingOf(begin, alignment) {
  if (alignment === 1) return Buffer.alloc(0);
  const bytes = (alignment - ((begin + 4) % alignment)) % alignment;
  return Buffer.concat([Buffer.from('FB'), u16(bytes), Buffer.alloc(bytes, 'Z')]);
}

function recordOf({ name, method, flags, checksum, packed, bytes, header }, wide) {
  const text = Buffer.from(name);
  const extra = wide
    ? Buffer.concat([u16(0x7777, 3), Buffer.alloc(3), u16(1, 24), u64(bytes, packed, header)])
    : Buffer.alloc(0);
  const [shownPacked, shownBytes, shownHeader] = wide ? [kElsewhere, kElsewhere, kElsewhere] : [packed, bytes, header];
  return Buffer.concat([
    ...[u32(0x02014b50), u16(20, 20, flags, method, 0, 0), u32(checksum, shownPacked, shownBytes)],
    ...[u16(text.length, extra.length, 0, 0, 0), u32(0, shownHeader), text, extra],
  ]);
}

function endOf(records, begin, wide, comment) {
  const directory = Buffer.concat(records);
  const count = records.length;
  const end = begin + directory.length;
  const wideEnd = Buffer.concat([
    ...[u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0), u64(count, count, directory.length, begin)],
    ...[u32(0x07064b50, 0), u64(end), u32(1)],
  ]);
  const shown = wide ? [0xffff, kElsewhere, kElsewhere] : [count, directory.length, begin];
  return Buffer.concat([
    directory,
    ...(wide ? [wideEnd] : []),
    ...[
      u32(0x06054b50),
      u16(0, 0, shown[0], shown[0]),
      u32(shown[1], shown[2]),
      u16(comment.length),
      Buffer.from(comment),
    ],
  ]);
}
