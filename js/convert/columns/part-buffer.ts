import type { Tile } from './strips.js';

/** Bytes of an entry of the output, and where they begin in it. */
export interface WrittenEntry {
  readonly bytes: Uint8Array;
  readonly begin: number;
}

/** Where the planes of tiles are put together, as the output has them. */
export interface PartBuffer {
  /** Takes the planes of a tile, whose units lie block of rows by block of rows. */
  put(tile: Tile, planes: readonly Uint8Array[]): void;
  /** What all tiles of the part are, entry by entry; more than the output has, where it has fewer. */
  entries(): readonly WrittenEntry[];
}
