import { readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * A File as a picked folder's have it: with the path below where the folder lies. Node's own take a quarter of a millisecond to
 * be read.
 */
export const pickedFile = (folder, name, bytes) => ({
  name: path.basename(name),
  webkitRelativePath: `${folder}/${name}`,
  lastModified: 1,
  size: bytes.length,
  slice: (begin, end) => ({
    arrayBuffer: () => Promise.resolve(Uint8Array.from(bytes.subarray(begin, end)).buffer),
  }),
});

/**
 * The files of a case by name, in memory: their `bytes`, and as they are picked. `withFile` is the list of them with another
 * one in its place.
 */
export function pickedCase({ folder, input, files }) {
  const bytes = new Map(Object.keys(files).map((name) => [name, readFileSync(path.join(input, name))]));
  const picked = new Map([...bytes].map(([name, own]) => [name, pickedFile(folder, name, own)]));
  return {
    bytes,
    files: [...picked.values()],
    withFile(name, others) {
      const rest = [...picked].flatMap(([own, file]) => (own === name ? [] : [file]));
      return [...rest, pickedFile(folder, name, others)];
    },
  };
}
