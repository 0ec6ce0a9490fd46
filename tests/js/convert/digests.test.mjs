import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { withDigests } from '../support/internals.mjs';

/** A sink of two files in memory, the second of which has the sum of the first in it. */
function sinkOf(sizes) {
  const files = sizes.map((size, index) => ({
    name: `file ${index}`,
    bytes: new Uint8Array(size),
    reserve: () => Promise.resolve(),
    write(bytes, position) {
      this.bytes.set(bytes, position);
      return Promise.resolve();
    },
  }));
  const calls = [];
  const noting = (name) => (about) => {
    calls.push([name, about]);
    return Promise.resolve();
  };
  const others = { stop: noting('stop'), complete: noting('complete'), discard: noting('discard') };
  return { files, calls, name: 'out', holds: false, completed: new Set(), commit: noting('commit'), ...others };
}

const digests = {
  files: [0],
  place: ([sum]) => [{ file: 1, position: 4, bytes: new TextEncoder().encode(sum) }],
};
const layout = (sizes) =>
  sizes.map((fileBytes, index) => ({ name: `file ${index}`, fileBytes, header: new Uint8Array() }));
const md5 = (bytes) => createHash('md5').update(bytes).digest('hex');
const written = ({ files }) => String(Buffer.from(files[1].bytes.subarray(4, 36)));

describe('the sum of a file', () => {
  test.each([0, 1, 55, 56, 63, 64, 65, 1000, 100_000])('of %i bytes, which come in any order', async (size) => {
    const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 7)) & 255);
    for (const pieces of [1, 2, 7]) {
      const output = sinkOf([size, 40]);
      const { sink, finish } = withDigests(output, layout([size, 40]), digests);
      const length = Math.ceil(size / pieces);
      const order = Array.from({ length: pieces }, (_, index) => (index * 3 + 2) % pieces);
      for (const piece of order) {
        const begin = Math.min(size, piece * length);
        await sink.files[0].write(bytes.subarray(begin, Math.min(size, begin + length)), begin);
      }
      await finish();
      expect(written(output)).toBe(md5(bytes));
      expect(output.files[0].bytes).toEqual(bytes);
    }
  });

  test('bytes that are overwritten after they were passed on early count as they were', async () => {
    const output = sinkOf([8, 40]);
    const { sink, finish } = withDigests(output, layout([8, 40]), digests);
    const late = Uint8Array.of(5, 6, 7, 8);
    await sink.files[0].write(late, 4);
    late.fill(0);
    await sink.files[0].write(Uint8Array.of(1, 2, 3, 4), 0);
    await finish();
    expect(written(output)).toBe(md5(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)));
  });

  test('is no sum where bytes are missing', async () => {
    const { sink, finish } = withDigests(sinkOf([8, 40]), layout([8, 40]), digests);
    await sink.files[0].write(Uint8Array.of(1, 2), 4);
    await expect(finish()).rejects.toThrow('file 0 has gaps');
  });

  test('everything else is the sink that was there', async () => {
    const output = sinkOf([8, 40]);
    const { sink } = withDigests(output, layout([8, 40]), digests);
    sink.stop('why');
    await sink.complete('a tensor');
    await sink.discard('because');
    expect(output.calls).toEqual([
      ['stop', 'why'],
      ['complete', 'a tensor'],
      ['discard', 'because'],
    ]);
    expect(sink.files[1]).toBe(output.files[1]);
  });
});
