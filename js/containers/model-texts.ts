import type { OutputContents } from './container.js';

/** What goes before another program's key that has the name of a layout's: a GGUF may have any. */
const FOREIGN_PREFIX = 'gguf.';

/** The model's own texts in an output; none has a key of the layout's. */
export function modelTexts({
  texts,
  layoutKeys,
}: Pick<OutputContents, 'texts' | 'layoutKeys'>): ReadonlyMap<string, string> {
  const own = new Map(texts);
  for (const key of layoutKeys) {
    const foreign = own.get(key);
    if (foreign === undefined) continue;
    own.delete(key);
    if (!own.has(FOREIGN_PREFIX + key)) own.set(FOREIGN_PREFIX + key, foreign);
  }
  return own;
}
