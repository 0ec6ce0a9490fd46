import type { CheckpointFiles } from '../../files.js';
import { itemsOf, type PlainFile } from '../plain.js';

/** What stands for a space where a space divides. */
const SPACE = 'Ġ';

/**
 * The merges of byte-level BPE, each as its two parts with a space between. Empty where there are none. Rejects with
 * `invalid_file` where one is neither a text nor a pair of texts.
 */
export async function readMerges(files: CheckpointFiles): Promise<Iterable<string>> {
  const tokenizer = await files.plain('tokenizer.json');
  for (const first of tokenizer?.merges ?? [])
    if (tokenizer !== null) return speltMerges(tokenizer, typeof first === 'string');
  return mergesOfLines((await files.text('merges.txt')) ?? '');
}

function* speltMerges(file: PlainFile, isSpelt: boolean): Iterable<string> {
  let index = 0;
  for (const merge of file.merges ?? []) {
    const spelt = isSpelt ? merge : joinedPair(merge);
    if (typeof spelt !== 'string') throw file.wrong(`merge ${index} is ${isSpelt ? 'no text' : 'no pair of texts'}`);
    yield spelt;
    ++index;
  }
}

function joinedPair(merge: unknown): string | undefined {
  const parts = itemsOf(merge);
  if (parts.length !== 2 || !parts.every((part) => typeof part === 'string')) return undefined;
  return parts.map((part) => part.replaceAll(' ', SPACE)).join(' ');
}

/** Lines as in merges.txt, the first of which may be a comment; those that are no pair are passed over, as elsewhere. */
const mergesOfLines = (content: string): readonly string[] =>
  content.split(/\r\n?|\n/u).flatMap((line, index) => {
    const trimmed = line.trim();
    if (index === 0 && trimmed.startsWith('#')) return [];
    const parts = trimmed.split(/\s+/u);
    return parts.length === 2 ? [parts.join(' ')] : [];
  });
