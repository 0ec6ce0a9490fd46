import type { LeasedWindow } from '../wasm/windows.js';
import type { ByteRange } from '../io/byte-io.js';
import type { PieceInput } from './pipeline.js';

/**
 * Reads `ranges` into the views that `viewsOf` gives, one for each. When one of the sources reads aside, all of them are
 * read aside, by `readAll`.
 */
export function inputOf(
  ranges: readonly ByteRange[],
  viewsOf: (window: LeasedWindow) => readonly Uint8Array[],
  readAll: (ranges: readonly ByteRange[]) => Promise<readonly Uint8Array[]> = readEach,
): PieceInput {
  if (!ranges.some(({ source }) => source.readAside !== undefined)) {
    return {
      readAside: null,
      fill: (window) => {
        const views = viewsOf(window);
        return window.transfer(() =>
          ranges.map(({ source, begin }, index) => source.read(viewAt(views, index), begin)),
        );
      },
    };
  }
  let read: readonly Uint8Array[] = [];
  return {
    readAside: async () => {
      read = await readAll(ranges);
    },
    fill: (window) => {
      const views = viewsOf(window);
      for (const [index, bytes] of read.entries()) viewAt(views, index).set(bytes);
      read = [];
      return Promise.resolve();
    },
  };
}

const readEach = (ranges: readonly ByteRange[]): Promise<readonly Uint8Array[]> => Promise.all(ranges.map(readRange));

/** The bytes of a range in memory of their own. */
export async function readRange({ source, begin, bytes }: ByteRange): Promise<Uint8Array> {
  if (source.readAside !== undefined) return source.readAside(begin, bytes);
  const own = new Uint8Array(bytes);
  await source.read(own, begin);
  return own;
}

function viewAt(views: readonly Uint8Array[], index: number): Uint8Array {
  const view = views[index];
  if (view === undefined) throw new RangeError(`there is no view for range ${index}`);
  return view;
}
