import type { LeasedWindow } from '../wasm/windows.js';
import type { ByteSource } from '../io/byte-io.js';
import type { PieceInput } from './pipeline.js';

/** Bytes of a source that go into a part of a window. */
export interface InputRange {
  readonly source: ByteSource;
  readonly position: number;
  readonly bytes: number;
}

/**
 * Reads `ranges` into the views that `viewsOf` gives, one for each. When one of the sources reads aside, all of them are
 * read aside.
 */
export function inputOf(
  ranges: readonly InputRange[],
  viewsOf: (window: LeasedWindow) => readonly Uint8Array[],
): PieceInput {
  if (!ranges.some(({ source }) => source.readAside !== undefined)) {
    return {
      readAside: null,
      fill: (window) => {
        const views = viewsOf(window);
        return window.transfer(() =>
          ranges.map(({ source, position }, index) => source.read(viewAt(views, index), position)),
        );
      },
    };
  }
  let read: readonly Uint8Array[] = [];
  return {
    readAside: async () => {
      read = await Promise.all(ranges.map(readRange));
    },
    fill: (window) => {
      const views = viewsOf(window);
      for (const [index, bytes] of read.entries()) viewAt(views, index).set(bytes);
      read = [];
      return Promise.resolve();
    },
  };
}

/** The bytes of a range in memory of their own. */
export async function readRange({ source, position, bytes }: InputRange): Promise<Uint8Array> {
  if (source.readAside !== undefined) return source.readAside(position, bytes);
  const own = new Uint8Array(bytes);
  await source.read(own, position);
  return own;
}

function viewAt(views: readonly Uint8Array[], index: number): Uint8Array {
  const view = views[index];
  if (view === undefined) throw new RangeError(`there is no view for range ${index}`);
  return view;
}
