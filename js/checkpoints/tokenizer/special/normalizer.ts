import { flag } from '../../../containers/gguf/key-values.js';
import type { KeyList } from '../../key-list.js';
import { itemsOf, member } from '../plain.js';

/** As deep as sequences of normalizers are followed; published ones nest once. */
const MOST_DEPTH = 32;

/** Writes what a tokenizer.json's normalizer does to letters, as far as llama.cpp has flags for it. */
export function setNormalizer(pairs: KeyList, normalizer: unknown): void {
  const found = new Map<string, unknown>();
  read(normalizer, found, 0);
  for (const name of ['lowercase', 'strip_accents']) {
    const value = found.get(name);
    if (typeof value === 'boolean') pairs.set(flag(`tokenizer.ggml.normalizer.${name}`, value));
  }
}

function read(normalizer: unknown, found: Map<string, unknown>, depth: number): void {
  const type = member(normalizer, 'type');
  if (type === 'Lowercase') found.set('lowercase', true);
  else if (type === 'StripAccents') found.set('strip_accents', true);
  else if (type === 'BertNormalizer') {
    for (const name of ['lowercase', 'strip_accents']) {
      const value = member(normalizer, name);
      if (value !== undefined) found.set(name, value);
    }
  } else if (type === 'Sequence' && depth < MOST_DEPTH) {
    for (const one of itemsOf(member(normalizer, 'normalizers'))) read(one, found, depth + 1);
  }
}
