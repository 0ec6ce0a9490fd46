import { File } from 'node:buffer';
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** A File as a picked folder's have it: with the path below where the folder lies. */
export const pickedFile = (folder, name, bytes) =>
  Object.assign(new File([bytes], path.basename(name), { lastModified: 1 }), {
    webkitRelativePath: `${folder}/${name}`,
  });

/**
 * The files of a case by name, in memory: their `bytes`, and as they are picked. `withFile` is the list of them with another
 * one, or none where its bytes are null.
 */
export function pickedCase({ folder, input, files }) {
  const bytes = new Map(Object.keys(files).map((name) => [name, readFileSync(path.join(input, name))]));
  const picked = new Map([...bytes].map(([name, own]) => [name, pickedFile(folder, name, own)]));
  return {
    bytes,
    files: [...picked.values()],
    withFile(name, others) {
      const rest = [...picked].flatMap(([own, file]) => (own === name ? [] : [file]));
      return others === null ? rest : [...rest, pickedFile(folder, name, others)];
    },
  };
}
