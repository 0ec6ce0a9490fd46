import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import createModule from 'arrowquant/wasm';
import { createWindowPool } from './support/internals.mjs';
import { randomWeights, sameBytes } from './support/weights.mjs';

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

  const placeOf = (window) => window.input(1, kF32).byteOffset;

  /** A promise, and what settles it. */
  function gate() {
    const made = {};
    made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
    return made;
  }

  test('has as many as were asked for, and lends each to one at a time', async () => {
    const pool = createWindowPool(module, 2);
    const ends = [gate(), gate()];
    const places = [];
    const leases = ends.map(({ promise }) =>
      pool.lease((window) => {
        places.push(placeOf(window));
        return promise;
      }),
    );
    const third = pool.lease((window) => Promise.resolve(placeOf(window)));
    await settled();
    expect(new Set(places).size).toBe(2);
    ends[1].resolve('done');
    expect(await leases[1]).toBe('done');
    expect(await third).toBe(places[1]);
    ends[0].reject(new Error('no'));
    await expect(leases[0]).rejects.toThrow('no');
  });

  /** Lets everything go on that waits for nothing. */
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  test('lends a window again only when all transfers from and to it are over', async () => {
    const pool = createWindowPool(module, 1);
    const [slow, bad, late] = [gate(), gate(), gate()];
    const told = [];
    const failed = (error) => told.push(error.message);
    const events = [];
    const first = pool.lease((window) => window.transfer(() => [slow.promise, bad.promise, late.promise]), { failed });
    first.catch(() => events.push('first'));
    const second = pool.lease(() => Promise.resolve(events.push('second')));
    bad.reject(new Error('bad'));
    await settled();
    expect(told).toEqual(['bad']);
    expect(events).toEqual([]);
    late.reject(new Error('late'));
    await settled();
    expect(events).toEqual([]);
    slow.resolve();
    await expect(first).rejects.toThrow('bad');
    await second;
    expect(events.sort()).toEqual(['first', 'second']);
    expect(told).toEqual(['bad']);
  });

  test('waits for what its work has left under way', async () => {
    const pool = createWindowPool(module, 1);
    const forgotten = gate();
    const events = [];
    const first = pool.lease((window) => {
      void window.transfer(() => [forgotten.promise]);
      return Promise.resolve();
    });
    const second = pool.lease(() => Promise.resolve(events.push('second')));
    await settled();
    expect(events).toEqual([]);
    forgotten.resolve();
    await Promise.all([first, second]);
    expect(events).toEqual(['second']);
  });

  test('refuses to work on a window whose lease has ended', async () => {
    const pool = createWindowPool(module, 1);
    const kept = await pool.lease((window) => Promise.resolve(window));
    expect(() => kept.input(1, kF32)).toThrow('ended');
    expect(() => kept.scan(1, kF32)).toThrow('ended');
    expect(() => kept.transfer(() => [])).toThrow('ended');
  });

  test('ends the wait for a window when the signal fires', async () => {
    const pool = createWindowPool(module, 1);
    const held = gate();
    const first = pool.lease(() => held.promise);
    const call = new AbortController();
    const second = pool.lease(() => Promise.resolve('worked'), { signal: call.signal });
    call.abort('enough');
    await expect(second).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
    const third = pool.lease(() => Promise.resolve('worked'));
    held.resolve();
    await first;
    expect(await third).toBe('worked');
  });
});

describe.each(['threads', 'single'])('a window, backend %s', (backend) => {
  /** Whole blocks of every format, and more than a thread takes at once. */
  const kWeights = 2 ** 17 + 2560;
  let module;
  let window;
  let lease;
  let giveBack;

  beforeAll(async () => {
    module = await createModule({ backend, threads: 2 });
    const pool = createWindowPool(module, 1);
    await new Promise((resolve) => {
      lease = pool.lease((lent) => {
        window = lent;
        resolve();
        return new Promise((end) => (giveBack = end));
      });
    });
  });
  afterAll(async () => {
    giveBack();
    await lease;
    module.dispose();
  });

  const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);

  /** Encodes `bytes`; what comes back is copied out of the window. */
  async function encode(bytes, weights, source, encoding) {
    const input = window.input(weights, source);
    expect(input).toHaveLength(bytes.length);
    input.set(bytes);
    const { packed, error } = await window.encode(weights, source, encoding, true);
    return { packed: packed.slice(), error };
  }

  const toFloats = async (bytes, weights, source) => {
    const { packed } = await encode(bytes, weights, source, { kind: 'float', type: 'F32' });
    return new Float32Array(packed.buffer);
  };

  /** The number that a finite fp8 code stands for. */
  function fp8Number(code, exponentBits, bias) {
    const fractionBits = 7 - exponentBits;
    const exponent = (code & 0x7f) >> fractionBits;
    const fraction = (code & (2 ** fractionBits - 1)) / 2 ** fractionBits;
    const magnitude = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
    return code < 128 ? magnitude : -magnitude;
  }

  test.each([
    ['F8_E4M3', 4, 7, [0x7f, 0xff], []],
    ['F8_E5M2', 5, 15, [0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff], [0x7c, 0xfc]],
  ])('reads every code of %s', async (type, exponentBits, bias, nans, infinities) => {
    const codes = Uint8Array.from({ length: 256 }, (_, code) => code);
    const number = (code) => {
      if (nans.includes(code)) return Number.NaN;
      if (infinities.includes(code)) return code < 128 ? Infinity : -Infinity;
      return fp8Number(code, exponentBits, bias);
    };
    const expected = Float32Array.from(codes, number);
    expect(await toFloats(codes, 256, { kind: 'float', type })).toEqual(expected);
    const scale = Math.fround(0.0123);
    const scaled = expected.map((value) => value * scale);
    expect(await toFloats(codes, 256, { kind: 'float', type, scale })).toEqual(scaled);
  });

  test.each(['Q8_0', 'Q4_1', 'Q6_K', 'IQ4_XS'])('encodes %s again, like the floats it stands for', async (format) => {
    const from = { kind: 'block', format };
    const { packed: blocks } = await encode(bytesOf(randomWeights(kWeights)), kWeights, kF32, from);
    const floats = await toFloats(blocks, kWeights, from);
    for (const to of ['Q4_K', 'Q8_0']) {
      const target = { kind: 'block', format: to };
      const found = await encode(blocks, kWeights, from, target);
      const expected = await encode(bytesOf(floats), kWeights, kF32, target);
      expect(found.error).toEqual(expected.error);
      expect(sameBytes(found.packed, expected.packed)).toBe(true);
    }
  });

  test('scans what it would encode', async () => {
    const codes = Uint8Array.of(0x38, 0xc0, 0x30);
    const source = { kind: 'float', type: 'F8_E4M3', scale: 0.5 };
    window.input(3, source).set(codes);
    expect(await window.scan(3, source)).toEqual({ lo: -1, hi: 0.5, extreme: -1 });
  });

  test.each([
    ['F16', 65520],
    ['BF16', 3.4e38],
  ])('refuses a weight that %s cannot hold, when asked', async (type, weight) => {
    const weights = new Float32Array(kWeights).fill(65504);
    weights[kWeights - 7] = -weight;
    const bytes = bytesOf(weights);
    await expect(encode(bytes, kWeights, kF32, { kind: 'float', type, checked: true })).rejects.toMatchObject({
      name: 'QuantizeError',
      code: 'float_overflow',
      index: kWeights - 7,
      detail: type,
      message: `Weight too large for ${type} at index ${kWeights - 7}; the tensor can be kept as F32`,
    });
    await encode(bytes, kWeights, kF32, { kind: 'float', type });
    await encode(bytes, kWeights, kF32, { kind: 'float', type: 'F32', checked: true });
  });

  test('refuses what is not finite, when asked', async () => {
    const weights = new Float32Array(kWeights);
    weights[kWeights - 9] = Number.NaN;
    weights[kWeights - 8] = 1e6;
    for (const type of ['F32', 'F16', 'BF16']) {
      const promise = encode(bytesOf(weights), kWeights, kF32, { kind: 'float', type, checked: true });
      await expect(promise).rejects.toMatchObject({ code: 'not_finite', index: kWeights - 9 });
    }
  });

  test('refuses an unknown block format, and weights that are no whole blocks', async () => {
    const q8 = { kind: 'block', format: 'Q8_0' };
    expect(() => window.input(32, { kind: 'block', format: 'Q9' })).toThrow(
      expect.objectContaining({ code: 'unknown_type' }),
    );
    await expect(window.encode(32, { kind: 'block', format: 'Q9' }, q8, false)).rejects.toMatchObject({
      code: 'invalid_option',
    });
    await expect(window.encode(33, kF32, q8, false)).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(window.encode(33, q8, { kind: 'float', type: 'F16' }, false)).rejects.toMatchObject({
      code: 'invalid_option',
    });
  });
});
