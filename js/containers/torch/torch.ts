import { part } from '../../part.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { FilePart, InputContainer, OpenedFiles } from '../container.js';
import { openNumberedShards } from '../shards.js';
import { looksOld, looksZipped } from './head.js';

/** Checkpoints of PyTorch, one file or shards (docs/formats.md). What reads them is loaded when there is one. */
export const torch = {
  name: 'torch',
  title: 'a PyTorch checkpoint',
  hasFinalNames: false,
  recognizes: (head: Uint8Array): boolean => looksOld(head) || looksZipped(head),
  open: (source: ByteSource): Promise<OpenedFiles> => openNumberedShards(source, torch),
  readPart,
} as const satisfies InputContainer;

async function readPart(source: ByteSource): Promise<FilePart> {
  const { readCheckpoint } = await part(() => import('./checkpoint.js'));
  return readCheckpoint(source);
}
