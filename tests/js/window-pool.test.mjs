import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import createModule from 'arrowquant/wasm';
import { createWindowPool } from '../../dist/wasm/window-pool.js';

const kF32 = { kind: 'float', type: 'F32' };

describe('a pool of windows', () => {
  const kMebibyte = 2 ** 20;
  /** More than a window needs. */
  const kRoom = 10 * kMebibyte;
  let module;

  beforeAll(async () => {
    module = await createModule({ backend: 'single' });
  });
  afterAll(() => module.dispose());

  /** Leaves room in the heap for `count` windows at most. */
  function fillHeapBut(count) {
    const rooms = [];
    for (let at = module.allocate(kRoom); at !== 0; at = module.allocate(kRoom)) rooms.push(at);
    const rest = [];
    for (let at = module.allocate(kMebibyte); at !== 0; at = module.allocate(kMebibyte)) rest.push(at);
    expect(rooms.length).toBeGreaterThan(count);
    for (const at of rooms.splice(0, count)) module.release(at);
    return [...rooms, ...rest];
  }

  test('that finds no room for all of them takes none', () => {
    const taken = fillHeapBut(1);
    for (let i = 0; i < 3; ++i) {
      expect(() => createWindowPool(module, 2)).toThrow(expect.objectContaining({ code: 'out_of_memory' }));
    }
    const room = module.allocate(kRoom);
    expect(room).not.toBe(0);
    for (const at of [room, ...taken]) module.release(at);
  });

  test('has as many as were asked for, and lends each once', async () => {
    const pool = createWindowPool(module, 2);
    const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
    expect(first.input(1, kF32).byteOffset).not.toBe(second.input(1, kF32).byteOffset);
    const third = pool.acquire();
    first.release();
    first.release();
    expect((await third).input(1, kF32).byteOffset).toBe(first.input(1, kF32).byteOffset);
  });
});
