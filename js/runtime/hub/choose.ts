import { nearestName } from '../../checks.js';
import { shardPlace } from '../../containers/shard-names.js';
import { quoted } from '../../errors.js';

/** What the names of models end with. */
interface Endings {
  readonly model: RegExp;
  /** Those of which an index can list several as one. */
  readonly indexed: RegExp;
  readonly index: RegExp;
}

const USUAL: Endings = {
  model: /\.(safetensors|gguf)$/i,
  indexed: /\.safetensors$/i,
  index: /\.safetensors\.index(\.[^./]+)?\.json$/i,
};
const TORCH: Endings = {
  model: /\.(ckpt|pt|pth|bin)$/i,
  indexed: /\.bin$/i,
  index: /\.bin\.index(\.[^./]+)?\.json$/i,
};
/** What a training leaves beside a model, with the same endings. */
const OF_TRAINING = /^(training_args|optimizer|scheduler|scaler|rng_state)/i;

/** An importance matrix, as those who publish one name it: lying beside a model, it is none. */
const IMPORTANCE = /imatrix[^/]*\.gguf$/iu;
/** Endings that only such have. */
const OLD_IMPORTANCE = /\.(dat|imatrix|gguf_file)$/iu;

const MOST_LISTED = 12;
const MOST_NEAR = 3;
const MOST_COMPARED = 300;
const MOST_CHARACTERS = 200;

/** Whether a path is that of a file to read, a model or an importance matrix, and not of a folder to look for one in. */
export const isModelFile = (path: string): boolean =>
  OLD_IMPORTANCE.test(path) || [USUAL, TORCH].some(({ model, index }) => model.test(path) || index.test(path));

/**
 * The models among the files of a repository that lie in `folder`, or in one inside it: of a sharded one its index, or where
 * there is none the first of its files. PyTorch's are models where there are no others: mostly they are the same ones.
 */
export function modelsIn(files: readonly string[], folder: string): string[] {
  const inside = folder === '' ? files : files.filter((file) => file.startsWith(`${folder}/`));
  const usual = modelsWith(inside, USUAL);
  if (usual.length > 0) return usual;
  return modelsWith(
    inside.filter((file) => !OF_TRAINING.test(baseName(file))),
    TORCH,
  );
}

function modelsWith(files: readonly string[], endings: Endings): string[] {
  const { model, indexed, index } = endings;
  const stems = new Set(files.filter((file) => index.test(file)).map((file) => stemOf(file, endings)));
  const found = files.filter((file) => {
    if (index.test(file)) return true;
    if (!model.test(file) || IMPORTANCE.test(file)) return false;
    const place = shardPlace(baseName(file));
    return place === null || (place.number === 1 && !(indexed.test(file) && stems.has(stemOf(file, endings))));
  });
  return found.sort();
}

/** The path without its endings and without what tells shards apart. A variant (`fp16`) may be named at several places. */
const stemOf = (file: string, { model, index }: Endings): string =>
  file
    .replace(index, '$1')
    .replace(model, '')
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
