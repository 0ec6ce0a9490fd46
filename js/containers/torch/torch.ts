import type { ByteSource } from '../../io/byte-io.js';
import type { FilePart, InputContainer, OpenedFiles } from '../container.js';
import { openNumberedShards } from '../shards.js';
import { looksOld } from './old.js';

const ZIP = [0x50, 0x4b, 0x03, 0x04];

/** Checkpoints of PyTorch, one file or shards (docs/formats.md). What reads them is loaded when there is one. */
export const torch = {
  name: 'torch',
  title: 'a PyTorch checkpoint',
  hasFinalNames: false,
  recognizes,
  open: (source: ByteSource): Promise<OpenedFiles> => openNumberedShards(source, torch),
  readPart,
} as const satisfies InputContainer;

function recognizes(head: Uint8Array): boolean {
  return looksOld(head) || ZIP.every((byte, at) => head[at] === byte);
}

async function readPart(source: ByteSource): Promise<FilePart> {
  const { readCheckpoint } = await import('./checkpoint.js');
  return readCheckpoint(source);
}
