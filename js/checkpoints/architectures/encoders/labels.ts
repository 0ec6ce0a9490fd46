import { texts } from '../../../containers/gguf/key-values.js';
import { isObject, type Json } from '../../../formats/folder/json.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';

/** What transformers calls the first of two classes that nobody has named. */
const NAMELESS = 'LABEL_0';

/**
 * The names of a classifier's classes, in their order; undefined where config.json has none, or only the two that stand in
 * every config. Throws `invalid_file` for what is no object of names by number.
 */
export function labelsOf({ hparams }: Checkpoint): readonly string[] | undefined {
  const named = hparams.find('id2label');
  if (named === undefined || named === null) return undefined;
  const labels = isObject(named) ? [...named].map(([key, label]) => labelIn(key, label)) : [undefined];
  const right = labels.filter((label) => label !== undefined).sort((a, b) => a.number - b.number);
  if (right.length !== labels.length)
    throw hparams.wrong(['id2label'], 'an object with the name of each class by its number');
  const isNameless = right.length === 2 && right[0]?.name === NAMELESS;
  return isNameless || right.length === 0 ? undefined : right.map(({ name }) => name);
}

const labelIn = (key: string, name: Json): { readonly number: number; readonly name: string } | undefined =>
  typeof name === 'string' && /^\d{1,9}$/u.test(key) ? { number: Number(key), name } : undefined;

/** Writes the names of the classes, by which llama.cpp knows how many there are. Throws as `labelsOf` does. */
export function setLabels(pairs: KeyList, checkpoint: Checkpoint, architecture: string): void {
  const labels = labelsOf(checkpoint);
  if (labels !== undefined) pairs.set(texts(`${architecture}.classifier.output_labels`, labels));
}
