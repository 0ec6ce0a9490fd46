import { describe, expect, test } from '@jest/globals';
import { MemorySource, TransposedSource } from '../support/internals.mjs';

/** A matrix of numbered elements, and the same with rows and columns exchanged. */
function matrix(rows, columns, Type) {
  const stored = Type.from({ length: rows * columns }, (_, index) => index);
  const exchanged = Type.from({ length: rows * columns }, (_, index) => {
    return stored[(index % rows) * columns + Math.floor(index / rows)];
  });
  return { stored: new Uint8Array(stored.buffer), exchanged: new Uint8Array(exchanged.buffer) };
}

const kShapes = [
  [1, 1],
  [3, 5],
  [70, 33],
  [1, 100],
  [100, 1],
  // More than is held at a time.
  [4096, 900],
];

/** A source that gives what it reads in memory of its own, as those of servers do. */
class AsideSource extends MemorySource {
  async readAside(position, bytes) {
    const own = new Uint8Array(bytes);
    await this.read(own, position);
    return own;
  }
}

describe.each([
  ['f32', Uint32Array, 4],
  ['f16', Uint16Array, 2],
])('A matrix of %s with rows and columns exchanged', (_, Type, width) => {
  test.each(kShapes)('is read in any stretches: %i × %i', async (rows, columns) => {
    const { stored, exchanged } = matrix(rows, columns, Type);
    for (const Source of [MemorySource, AsideSource]) {
      const inner = new Source('m', stored);
      const half = Math.floor(stored.length / 2 / width) * width;
      const ranges = [
        { source: inner, begin: 0, bytes: half },
        { source: inner, begin: half, bytes: stored.length - half },
      ];
      const source = new TransposedSource(ranges, { rows, columns, width });
      expect(source.size).toBe(stored.length);
      const step = Math.max(width, Math.floor(stored.length / 3 / width) * width);
      for (let at = 0; at < stored.length; at += step) {
        const into = new Uint8Array(Math.min(step, stored.length - at));
        await source.read(into, at);
        expect(Buffer.from(into).equals(exchanged.subarray(at, at + into.length))).toBe(true);
      }
    }
  });
});

test('A matrix whose reads fail says why', async () => {
  const inner = new MemorySource('m', new Uint8Array(16));
  const source = new TransposedSource([{ source: inner, begin: 8, bytes: 16 }], { rows: 2, columns: 2, width: 4 });
  await expect(source.read(new Uint8Array(4), 0)).rejects.toMatchObject({ file: 'm' });
});
