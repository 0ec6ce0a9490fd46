import type { ByteSource } from '../io/byte-io.js';
import { refusePointer } from '../containers/foreign-files.js';
import { invalidFile } from '../containers/invalid-file.js';

/** All bytes of a file. Rejects with `invalid_file` for more than `most`, and for what stands in the place of a file in Git. */
export async function readWholeFile(source: ByteSource, most: number): Promise<Uint8Array> {
  const { size } = source;
  if (size > most) throw invalidFile(source, `its ${size} bytes are over the limit of ${most}`);
  const bytes = new Uint8Array(size);
  if (source.readAside === undefined) await source.read(bytes, 0);
  else bytes.set(await source.readAside(0, size));
  refusePointer(bytes, source);
  return bytes;
}
