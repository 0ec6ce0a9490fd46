import { nearestName } from '../../checks.js';
import { shardPlace } from '../../containers/shard-names.js';
import { quoted } from '../../errors.js';

const MODEL = /\.(safetensors|gguf)$/i;
const INDEX = /\.safetensors\.index(\.[^./]+)?\.json$/i;

const MOST_LISTED = 12;
const MOST_NEAR = 3;
const MOST_COMPARED = 300;
const MOST_CHARACTERS = 200;

/** Whether a path is that of a file to read, and not of a folder to look for one in. */
export const isModelFile = (path: string): boolean => MODEL.test(path) || INDEX.test(path);

/**
 * The models among the files of a repository that lie in `folder`, or in one inside it: of a sharded one its index, or where
 * there is none the first of its files.
 */
export function modelsIn(files: readonly string[], folder: string): string[] {
  const inside = folder === '' ? files : files.filter((file) => file.startsWith(`${folder}/`));
  const indexed = new Set(inside.filter((file) => INDEX.test(file)).map(stemOf));
  const found = inside.filter((file) => {
    if (INDEX.test(file)) return true;
    if (!MODEL.test(file)) return false;
    const place = shardPlace(baseName(file));
    return place === null || (place.number === 1 && !(/safetensors$/i.test(file) && indexed.has(stemOf(file))));
  });
  return found.sort();
}

/** The path without its endings and without what tells shards apart. A variant (`fp16`) may be named at several places. */
const stemOf = (file: string): string =>
  file
    .replace(INDEX, '$1')
    .replace(MODEL, '')
    .replace(/[-_.]\d{2,9}[-_]of[-_]\d{2,9}(\.[^./]+)?$/i, '$1')
    .toLowerCase();

const baseName = (file: string): string => file.slice(file.lastIndexOf('/') + 1);

/** The files that `wanted` may be meant for: of the same name elsewhere, or of a similar one; the nearest first. */
export function nearFiles(wanted: string, files: readonly string[]): string[] {
  const name = baseName(wanted).toLowerCase();
  const near = files.filter((file) => baseName(file).toLowerCase() === name).slice(0, MOST_NEAR);
  let others = files.filter((file) => isModelFile(file) && baseName(file).toLowerCase() !== name);
  // Names are compared letter by letter: of a hub that has thousands of files, not all of them.
  others = wanted.length > MOST_CHARACTERS ? [] : others.slice(0, MOST_COMPARED);
  while (near.length < MOST_NEAR) {
    const next = nearestName(wanted, others) ?? nearestBase(name, others);
    if (next === undefined) break;
    near.push(next);
    others = others.filter((file) => file !== next);
  }
  return near;
}

function nearestBase(wanted: string, files: readonly string[]): string | undefined {
  const name = nearestName(wanted, files.map(baseName));
  return files.find((file) => baseName(file) === name);
}

/** A name of a hub as errors show it: what cannot be seen in it is escaped, and it is shortened. */
export function shownName(name: string): string {
  const text = quoted(name);
  return text === `"${name}"` ? name : text;
}

/** `a, b, c and 7 more`. */
export function listed(files: readonly string[]): string {
  const shown = files.slice(0, MOST_LISTED).map(shownName).join(', ');
  return files.length > MOST_LISTED ? `${shown} and ${files.length - MOST_LISTED} more` : shown;
}
