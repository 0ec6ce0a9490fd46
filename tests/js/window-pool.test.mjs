import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import createModule from 'arrowquant/wasm';
import { affineCodec, codecNamed, createWindowPool } from './support/internals.mjs';
import { randomWeights, sameBytes } from './support/weights.mjs';

const kF32 = codecNamed('F32');

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

  const placeOf = (window) => window.input(1, kF32)[0].byteOffset;

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
    expect(() => kept.outputBytes()).toThrow('ended');
    expect(() => kept.scan(1, { codec: kF32 })).toThrow('ended');
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

  /** Puts `planes` where the window wants them. */
  function fill(views, planes) {
    expect(views.map(({ length }) => length)).toEqual(planes.map(({ length }) => length));
    views.forEach((view, index) => view.set(planes[index]));
  }

  /** Transcodes `planes`; what comes back is copied out of the window. */
  async function transcode(planes, weights, source, target, options = { measure: true }) {
    fill(window.input(weights, source.codec), planes);
    const result = await window.transcode(weights, source, target, options);
    return { planes: result.planes.map((plane) => plane.slice()), error: result.error };
  }

  const fromFloats = (floats, target, options) =>
    transcode([bytesOf(floats)], floats.length, { codec: kF32 }, target, options);

  async function toFloats(planes, weights, source) {
    const { planes: restored } = await transcode(planes, weights, source, kF32);
    return new Float32Array(restored[0].buffer);
  }

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
    const codec = codecNamed(type);
    expect(await toFloats([codes], 256, { codec })).toEqual(expected);
    const scale = Math.fround(0.0123);
    const scaled = expected.map((value) => value * scale);
    expect(await toFloats([codes], 256, { codec, scale })).toEqual(scaled);
  });

  const kSources = [...['Q8_0', 'Q4_1', 'Q6_K', 'IQ4_XS', 'F16'].map(codecNamed), affineCodec(4, 32, false)];
  const kTargets = [codecNamed('Q4_K'), codecNamed('Q8_0'), codecNamed('BF16'), affineCodec(2, 256, true)];

  test.each(kSources)('makes of %j what it makes of the floats that it stands for', async (codec) => {
    const { planes } = await fromFloats(randomWeights(kWeights), codec);
    const floats = await toFloats(planes, kWeights, { codec });
    for (const target of kTargets) {
      const found = await transcode(planes, kWeights, { codec }, target);
      const expected = await fromFloats(floats, target);
      expect(found.error).toEqual(expected.error);
      found.planes.forEach((plane, index) => expect(sameBytes(plane, expected.planes[index])).toBe(true));
    }
  });

  test('scans what it would encode', async () => {
    const codes = Uint8Array.of(0x38, 0xc0, 0x30);
    const source = { codec: codecNamed('F8_E4M3'), scale: 0.5 };
    fill(window.input(3, source.codec), [codes]);
    expect(await window.scan(3, source)).toEqual({ lo: -1, hi: 0.5, extreme: -1 });
  });

  test('has one scale for a whole tensor, with its range and without', async () => {
    const floats = randomWeights(kWeights);
    const target = affineCodec(4, 0, false);
    const whole = await fromFloats(floats, target, {});
    expect(whole.planes.map(({ length }) => length)).toEqual([kWeights / 2, 4, 1]);
    const range = await window.scan(kWeights, { codec: kF32 });
    const ranged = await fromFloats(floats, target, { range });
    expect(ranged).toEqual(whole);
  });

  test('compares what two encodings stand for', async () => {
    const floats = randomWeights(kWeights);
    const [a, b] = [codecNamed('F16'), affineCodec(8, 64, true)];
    const [left, right] = [await fromFloats(floats, a), await fromFloats(floats, b)];
    const restored = [
      await toFloats(left.planes, kWeights, { codec: a }),
      await toFloats(right.planes, kWeights, { codec: b }),
    ];
    fill(window.input(kWeights, a), left.planes);
    fill(window.output(kWeights, b), right.planes);
    const { equal, finite, error } = await window.compare(kWeights, { codec: a }, { codec: b });
    expect({ equal, finite }).toEqual({ equal: false, finite: true });
    const squared = restored[0].reduce((sum, x, i) => sum + (x - restored[1][i]) ** 2, 0);
    expect(error.squaredError / squared).toBeCloseTo(1, 9);
    fill(window.output(kWeights, a), left.planes);
    expect(await window.compare(kWeights, { codec: a }, { codec: a })).toMatchObject({ equal: true, finite: true });
    window.output(kWeights, a)[0].set([0, 0x7c], 2 * (kWeights - 1));
    expect(await window.compare(kWeights, { codec: a }, { codec: a })).toMatchObject({ equal: false, finite: false });
  });

  test.each([
    ['F16', 65520],
    ['BF16', 3.4e38],
  ])('refuses a weight that %s cannot hold, when asked', async (type, weight) => {
    const weights = new Float32Array(kWeights).fill(65504);
    weights[kWeights - 7] = -weight;
    await expect(fromFloats(weights, codecNamed(type), { checked: true })).rejects.toMatchObject({
      name: 'QuantizeError',
      code: 'float_overflow',
      index: kWeights - 7,
      detail: type,
      message: `Weight too large for ${type} at index ${kWeights - 7}; the tensor can be kept as F32`,
    });
    await fromFloats(weights, codecNamed(type));
    await fromFloats(weights, kF32, { checked: true });
  });

  test('Q8_0 has an infinite scale where it overflows, when asked', async () => {
    const weights = new Float32Array(kWeights).fill(0.5);
    const block = kWeights / 32 - 3;
    weights[block * 32 + 5] = 1e30;
    const target = codecNamed('Q8_0');
    await expect(fromFloats(weights, target)).rejects.toMatchObject({ code: 'scale_overflow', index: block * 32 });
    const { planes } = await fromFloats(weights, target, { overflows: true });
    const expected = Array.from({ length: 34 }, (_, byte) => [0, 0x7c][byte] ?? (byte === 7 ? 127 : 0));
    expect([...planes[0].slice(block * 34, (block + 1) * 34)]).toEqual(expected);
    const others = await fromFloats(new Float32Array(kWeights).fill(0.5), target);
    const rest = (bytes) => Buffer.concat([bytes.slice(0, block * 34), bytes.slice((block + 1) * 34)]);
    expect(rest(planes[0]).equals(rest(others.planes[0]))).toBe(true);
  });

  test('refuses what is not finite, when asked', async () => {
    const weights = new Float32Array(kWeights);
    weights[kWeights - 9] = Number.NaN;
    weights[kWeights - 8] = 1e6;
    for (const type of ['F32', 'F16', 'BF16']) {
      const promise = fromFloats(weights, codecNamed(type), { checked: true });
      await expect(promise).rejects.toMatchObject({ code: 'not_finite', index: kWeights - 9 });
    }
  });

  test.each([
    ['a scale', 1, [0, 0, 0xc0, 0x7f], 4],
    ['a zero point', 2, [16], 1],
  ])('refuses %s that no encoder writes', async (_, plane, bytes, entryBytes) => {
    const codec = affineCodec(4, 32, false);
    const { planes } = await fromFloats(randomWeights(kWeights), codec);
    planes[plane].set(bytes, 4100 * entryBytes);
    await expect(transcode(planes, kWeights, { codec }, kF32)).rejects.toMatchObject({
      code: 'invalid_file',
      index: 4100 * 32,
      detail: 'has an impossible scale or zero point',
    });
  });

  test('refuses weights that are no whole blocks, targets that are read only, and more than it has room for', async () => {
    const [q8, f16] = [codecNamed('Q8_0'), codecNamed('F16')];
    const invalid = { code: 'invalid_option' };
    await expect(window.transcode(33, { codec: kF32 }, q8)).rejects.toMatchObject(invalid);
    await expect(window.transcode(33, { codec: q8 }, f16)).rejects.toMatchObject(invalid);
    await expect(window.transcode(32, { codec: kF32 }, codecNamed('F8_E4M3'))).rejects.toMatchObject(invalid);
    await expect(window.transcode(32, { codec: kF32 }, affineCodec(5, 32, false))).rejects.toMatchObject(invalid);
    expect(() => window.input(2 ** 21, kF32)).toThrow(RangeError);
    await expect(window.scan(2 ** 21, { codec: kF32 })).rejects.toThrow(RangeError);
  });

  test('takes as many importances as a row has weights', async () => {
    const options = { rowWeights: 64, importance: new Float32Array(64).fill(1) };
    const floats = randomWeights(256);
    const weighed = await fromFloats(floats, codecNamed('Q4_0'), { rowWeights: 64, effort: 1 });
    expect((await fromFloats(floats, codecNamed('Q4_0'), options)).planes).toEqual(weighed.planes);
    const short = { ...options, importance: new Float32Array(63) };
    await expect(fromFloats(floats, codecNamed('Q4_0'), short)).rejects.toThrow(RangeError);
  });

  describe('a bundle', () => {
    const kTargetsInTurn = [codecNamed('Q8_0'), affineCodec(4, 0, true), codecNamed('F16'), affineCodec(8, 32, false)];
    const align = (bytes) => Math.ceil(bytes / 64) * 64;

    /** Parts one after the other, with room for each plane to spare. */
    function bundleOf(tensors) {
      let [input, output] = [0, 0];
      return tensors.map((floats, index) => {
        const target = kTargetsInTurn[index % kTargetsInTurn.length];
        window.inputBytes().set(bytesOf(floats), input);
        const part = {
          weights: floats.length,
          source: { codec: kF32 },
          inputOffsets: [input],
          target,
          outputOffsets: [0, 1, 2].map((plane) => output + plane * align(4 * floats.length)),
          options: { measure: index % 3 === 0 },
        };
        input += align(4 * floats.length);
        output += 3 * align(4 * floats.length);
        return part;
      });
    }

    const tensors = Array.from({ length: 200 }, (_, index) => randomWeights(32 * (index % 40), index));

    test('gives each of its parts what it would be by itself, and touches nothing else', async () => {
      window.outputBytes().fill(0xa5);
      const parts = bundleOf(tensors);
      const errors = await window.transcodeBundle(parts);
      const found = window.outputBytes().slice();
      for (const [index, part] of parts.entries()) {
        const alone = await fromFloats(tensors[index], part.target, part.options);
        expect(errors[index]).toEqual(alone.error);
        alone.planes.forEach((plane, at) => {
          const begin = part.outputOffsets[at];
          expect(sameBytes(found.subarray(begin, begin + plane.length), plane)).toBe(true);
          found.fill(0xa5, begin, begin + plane.length);
        });
      }
      expect(found.every((byte) => byte === 0xa5)).toBe(true);
    });

    test('tells the first part that fails, and where', async () => {
      const broken = tensors.map((floats) => floats.slice());
      broken[150][3] = Number.NaN;
      broken[77][9] = broken[77][5] = Number.POSITIVE_INFINITY;
      const failure = { name: 'QuantizeError', code: 'not_finite', part: 77, index: 5 };
      await expect(window.transcodeBundle(bundleOf(broken))).rejects.toMatchObject(failure);
      expect(await window.transcodeBundle([])).toEqual([]);
    });

    test('does not leave its window', async () => {
      const [part] = bundleOf([randomWeights(64)]);
      const half = window.inputBytes().length;
      for (const wrong of [
        { inputOffsets: [half - 252] },
        { inputOffsets: [-64] },
        { inputOffsets: [] },
        { outputOffsets: [half - 4] },
        { outputOffsets: [Number.NaN] },
      ]) {
        await expect(window.transcodeBundle([part, { ...part, ...wrong }])).rejects.toThrow(RangeError);
      }
    });
  });
});
