import { part } from '../../part.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { Container, EntryType, OpenedFiles, Opening } from '../container.js';
import { elementTypeOf } from './element-types.js';
import { looksLikeArrow } from './head.js';
import { layOut } from './writer.js';

/** Tables of Arrow, a tensor in each row: files and streams of its IPC format (docs/formats.md). Files are written. */
export const arrow = {
  name: 'arrow',
  title: 'an Arrow file',
  extension: '.arrow',
  hasFinalNames: false,
  takesFileTypes: false,
  hasColumns: true,
  recognizes: looksLikeArrow,
  open,
  holds: ({ name, id, unknown }: EntryType) =>
    id === undefined && unknown === undefined && elementTypeOf(name) !== undefined,
  partNames: (file: string) => [file],
  layOut,
} as const satisfies Container;

/** What reads them is loaded when there is one. */
async function open(source: ByteSource, opening: Opening): Promise<OpenedFiles> {
  const { openArrow } = await part(() => import('./open.js'));
  return openArrow(source, opening);
}
