import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import createModule from 'arrowquant/wasm';
import {
  FinishingWriter,
  KeptRoom,
  Pipeline,
  affineCodec,
  createWindowPool,
  planeBytes,
} from '../support/internals.mjs';
import { quantizeReference } from '../support/reference.mjs';
import { randomWeights } from '../support/weights.mjs';

describe('room for planes that are kept', () => {
  /** Names of those that have got room, in order. */
  function asking(room, asked) {
    const granted = [];
    for (const [name, bytes] of Object.entries(asked)) void room.take(bytes).then(() => granted.push(name));
    return granted;
  }
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  test('is given in order, up to the limit', async () => {
    const room = new KeptRoom(10);
    const granted = asking(room, { a: 4, b: 6, c: 1, d: 1 });
    await settled();
    expect(granted).toEqual(['a', 'b']);
    room.give(4);
    await settled();
    expect(granted).toEqual(['a', 'b', 'c', 'd']);
  });

  test('is given to a single tensor that takes more, and to nobody beside it', async () => {
    const room = new KeptRoom(10);
    const granted = asking(room, { a: 1, large: 25, c: 1 });
    await settled();
    expect(granted).toEqual(['a']);
    room.give(1);
    await settled();
    expect(granted).toEqual(['a', 'large']);
    room.give(25);
    await settled();
    expect(granted).toEqual(['a', 'large', 'c']);
  });
});

describe('a tensor that is finished when all of it is there', () => {
  let module;
  let pool;
  beforeAll(async () => {
    module = await createModule({ backend: 'single' });
    pool = createWindowPool(module, 2);
  });
  afterAll(() => module.dispose());

  /** Writes planes of three, four and two bytes, in pieces, as entries of these contents; what has been written, by entry. */
  async function written(parts, room = new KeptRoom(100)) {
    const entries = parts.entryBytes.map((bytes) => new Uint8Array(bytes).fill(255));
    const reserved = [];
    const output = {
      reserve: async (begin, bytes) => void reserved.push([begin, bytes]),
      write: async (entry, bytes, begin) => entries[entry].set(bytes, begin),
      end: async () => undefined,
    };
    const tools = { pool, signal: undefined, fail: () => undefined };
    await Pipeline.run(tools, async (pipeline) => {
      const writer = new FinishingWriter(output, { parts, planeBytes: [3, 4, 2] }, pipeline, room);
      await writer.begin();
      await writer.reserve(0, 3);
      await writer.write(1, Uint8Array.of(6, 7), 2);
      await writer.write(0, Uint8Array.of(1, 2, 3), 0);
      await writer.write(2, Uint8Array.of(8, 9), 0);
      await writer.write(1, Uint8Array.of(4, 5), 0);
      await writer.complete();
    });
    return { entries: entries.map((bytes) => [...bytes]), reserved };
  }

  test('has planes, constants and what is made of planes, in the order of its entries', async () => {
    const seen = [];
    const { entries, reserved } = await written({
      contents: [0, 'made', Uint8Array.of(42), 2, 'made'],
      kept: [2, 1],
      entryBytes: [3, 2, 1, 2, 4],
      make: async ([second, first]) => {
        seen.push([...second], [...first]);
        return [second.toReversed(), first.toReversed()];
      },
    });
    expect(seen).toEqual([
      [8, 9],
      [4, 5, 6, 7],
    ]);
    expect(entries).toEqual([[1, 2, 3], [9, 8], [42], [8, 9], [7, 6, 5, 4]]);
    expect(reserved).toEqual([[0, 3]]);
  });

  test('is without planes that are neither entries nor kept, and reserves no room for a first one that is none', async () => {
    expect(await written({ contents: [1], kept: [], entryBytes: [4] })).toEqual({
      ...{ entries: [[4, 5, 6, 7]], reserved: [] },
    });
  });

  test('gives the room back that it has taken', async () => {
    const room = new KeptRoom(6);
    const parts = { contents: ['made'], kept: [1, 2], entryBytes: [1], make: async () => [Uint8Array.of(1)] };
    for (let i = 0; i < 3; ++i) expect((await written(parts, room)).entries).toEqual([[1]]);
  });

  test('fails where what is made has another size than was planned', async () => {
    const make = async () => [new Uint8Array(2)];
    const call = written({ contents: ['made'], kept: [], entryBytes: [3], make });
    await expect(call).rejects.toThrow(/entry 0 has not the bytes that were planned/);
  });

  test.each([1, 4095, 2 ** 20, 2 ** 20 + 2048, 2 ** 21 + 5])('can encode %i values', async (count) => {
    const values = randomWeights(count, count);
    const codec = affineCodec(8, 256, false);
    let encoded;
    await written({
      ...{ contents: [], kept: [], entryBytes: [] },
      make: async (_, tools) => {
        encoded = await tools.encode(values, codec);
        return [];
      },
    });
    const { quantizedData, scales, zeroPoints } = quantizeReference(values, 8, 256, false);
    const expected = [quantizedData, new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength), zeroPoints];
    for (const [plane, bytes] of encoded.entries()) {
      expect(bytes.length).toBe(planeBytes(codec, plane, count));
      expect(Buffer.compare(bytes, expected[plane])).toBe(0);
    }
  });

  test('tells what cannot be encoded', async () => {
    const make = (_, tools) => tools.encode(Float32Array.of(1, NaN), affineCodec(8, 256, false));
    const call = written({ contents: [], kept: [], entryBytes: [], make });
    await expect(call).rejects.toMatchObject({ code: 'not_finite', index: 1 });
  });
});
