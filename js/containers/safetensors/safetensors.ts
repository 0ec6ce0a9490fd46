import { shardNames } from '../shard-names.js';
import { indexName } from './index-file.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { Container, EntryType, FilePart, OpenedFiles } from '../container.js';
import { DTYPES, isDType } from '../dtypes.js';
import { openNumberedShards } from '../shards.js';
import { looksLikeSafetensors, readHeader } from './header.js';
import { layOut } from './writer.js';

/** safetensors, one file or shards with an index (docs/formats.md). */
export const safetensors = {
  name: 'safetensors',
  title: 'a safetensors file',
  extension: '.safetensors',
  hasFinalNames: false,
  takesFileTypes: false,
  recognizes: looksLikeSafetensors,
  open: (source: ByteSource): Promise<OpenedFiles> => openNumberedShards(source, safetensors),
  readPart,
  holds,
  partNames: (file: string, count: number) => [...shardNames(file, count - 1, '.safetensors'), indexName(file)],
  layOut,
} as const satisfies Container;

async function readPart(source: ByteSource): Promise<FilePart> {
  const { entries, metadata } = await readHeader(source);
  return { source, entries, texts: metadata };
}

/** Of what another container copies, types that mean the same everywhere; of its own, those that nobody knows too. */
function holds({ name, id }: EntryType, from: string | undefined): boolean {
  if (from === 'safetensors') return true;
  return id === undefined && (from === undefined ? DTYPES.includes(name) : isDType(name));
}
