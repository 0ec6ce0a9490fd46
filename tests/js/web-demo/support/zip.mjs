/** Reads zip archives whose entries are not compressed, from PKWARE's APPNOTE.TXT alone. */
import { crc32 } from 'node:zlib';

const kEnd = 0x0605_4b50;
const kEntry = 0x0201_4b50;
const kLocal = 0x0403_4b50;

/** The contents of the files in `zip`, by name; of an archive without a comment that needs no fields of 64 bits. */
export function unzipped(zip) {
  const end = zip.length - 22;
  if (zip.readUInt32LE(end) !== kEnd) throw new Error('the archive does not end as one');
  const files = new Map();
  let at = zip.readUInt32LE(end + 16);
  for (let count = zip.readUInt16LE(end + 10); count > 0; --count) {
    if (zip.readUInt32LE(at) !== kEntry) throw new Error(`there is no entry at ${at}`);
    const [method, checksum, size] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 16), zip.readUInt32LE(at + 24)];
    const lengths = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
    const name = zip.toString('utf8', at + 46, at + 46 + lengths[0]);
    const bytes = contentAt(zip, zip.readUInt32LE(at + 42), size);
    if (method !== 0 || crc32(bytes) !== checksum) throw new Error(`${name} is damaged`);
    files.set(name, bytes);
    at += 46 + lengths.reduce((sum, length) => sum + length, 0);
  }
  return files;
}

function contentAt(zip, at, size) {
  if (zip.readUInt32LE(at) !== kLocal) throw new Error(`there is no file at ${at}`);
  const begin = at + 30 + zip.readUInt16LE(at + 26) + zip.readUInt16LE(at + 28);
  return zip.subarray(begin, begin + size);
}
