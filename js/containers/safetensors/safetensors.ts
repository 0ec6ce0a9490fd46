import { shardNames } from '../shard-names.js';
import { indexName } from './index-file.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { Container, EntryType, OpenedFiles } from '../container.js';
import { DTYPES, isDType } from '../dtypes.js';
import { readHead } from '../foreign-files.js';
import { looksLikeSafetensors } from './header.js';
import { looksLikeIndex, openIndexed, openNumberedShards } from './shards.js';
import { layOut } from './writer.js';

/** safetensors, one file or shards with an index (docs/formats.md). */
export const safetensors = {
  name: 'safetensors',
  title: 'a safetensors file',
  extension: '.safetensors',
  hasFinalNames: false,
  takesFileTypes: false,
  recognizes,
  open,
  holds,
  partNames: (file: string, count: number) => [...shardNames(file, count - 1, '.safetensors'), indexName(file)],
  layOut,
} as const satisfies Container;

function recognizes(head: Uint8Array): boolean {
  return looksLikeIndex(head) || looksLikeSafetensors(head);
}

async function open(source: ByteSource): Promise<OpenedFiles> {
  const head = await readHead(source, recognizes);
  const { sources, parts } = await (looksLikeIndex(head) ? openIndexed(source) : openNumberedShards(source));
  const texts = new Map<string, string>();
  for (const [key, text] of parts.flatMap((part) => [...part.texts])) if (!texts.has(key)) texts.set(key, text);
  return {
    container: 'safetensors',
    name: source.name,
    ...{ sources, parts, texts, portableTexts: texts },
    carried: null,
    fact: () => undefined,
    close: async () => {
      await Promise.all(sources.map((file) => file.close()));
    },
  };
}

/** Of what another container copies, types that mean the same everywhere; of its own, those that nobody knows too. */
function holds({ name, id }: EntryType, from: string | undefined): boolean {
  if (from === 'safetensors') return true;
  return id === undefined && (from === undefined ? DTYPES.includes(name) : isDType(name));
}
