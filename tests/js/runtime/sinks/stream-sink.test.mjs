import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web';
import { describe, expect, test } from '@jest/globals';
import { QuantizeError } from 'arrowquant';
import {
  ASIDE_BYTES,
  HELD_BYTES,
  WINDOW_BYTES,
  memoryOf,
  nodeFiles,
  shareWithStream,
} from '../../support/internals.mjs';
import { collector, idle, isPending } from '../support/streams.mjs';

const goOn = () => undefined;

/** `count` bytes of `value` on shared memory. */
const shared = (count, value) => new Uint8Array(new SharedArrayBuffer(count)).fill(value);
/** A stream that takes a chunk when `release` is called. */
function slowStream() {
  const releases = [];
  const { stream, seen, bytes } = collector(() => new Promise((resolve) => releases.push(resolve)));
  return { stream, seen, bytes, release: () => releases.shift()() };
}
const open = (stream, plan) => nodeFiles.openSink(stream, { inputs: [], ...plan });

test('puts pieces in order, fills gaps with zeros, copies shared memory, and closes', async () => {
  const { stream, seen, bytes } = collector();
  const sink = await open(stream, {
    bytes: 20,
    pieces: [
      { begin: 0, bytes: 4 },
      { begin: 8, bytes: 6 },
    ],
  });
  expect(sink.holds).toBe(true);
  const last = shared(2, 3);
  await sink.write(last, 12);
  last.fill(9);
  await sink.write(shared(4, 2), 8);
  expect(seen.chunks.length).toBe(0);
  const first = shared(4, 1);
  await sink.write(first, 0);
  first.fill(9);
  await idle();
  expect([...bytes().subarray(0, 14)]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2, 3, 3]);
  await sink.commit(goOn);
  expect([...bytes()]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2, 3, 3, 0, 0, 0, 0, 0, 0]);
  expect(seen.chunks.every(({ buffer }) => buffer.constructor.name === 'ArrayBuffer')).toBe(true);
  expect([seen.closed, stream.locked]).toEqual([true, false]);
  await sink.discard(new Error('too late'));
  expect(seen.aborted).toBeNull();
});

test('what is known beforehand lies between the pieces, also where it is longer than a chunk of padding', async () => {
  const { stream, bytes } = collector();
  const long = Uint8Array.from({ length: 150_000 }, (_, index) => index % 251);
  const end = 8 + long.length;
  const sink = await open(stream, {
    bytes: end + 9,
    pieces: [
      { begin: 0, bytes: 2 },
      { begin: 5, bytes: 1 },
      { begin: end + 2, bytes: 1 },
    ],
    between: [
      { position: 2, bytes: Uint8Array.of(7) },
      { position: 4, bytes: Uint8Array.of(8) },
      { position: 7, bytes: long },
      { position: end + 4, bytes: Uint8Array.of(9, 9) },
    ],
  });
  await sink.write(Uint8Array.of(3), end + 2);
  await sink.write(Uint8Array.of(2), 5);
  await sink.write(Uint8Array.of(1, 1), 0);
  await sink.commit(goOn);
  const all = bytes();
  expect([...all.subarray(0, 7)]).toEqual([1, 1, 7, 0, 8, 2, 0]);
  expect(Buffer.compare(all.subarray(7, end - 1), long)).toBe(0);
  expect([...all.subarray(end - 1)]).toEqual([0, 0, 0, 3, 0, 9, 9, 0, 0, 0]);
});

test('without planned pieces, gaps wait for the end', async () => {
  const { stream, bytes } = collector();
  const sink = await open(stream, { bytes: 6 });
  await sink.write(Uint8Array.of(5), 5);
  await sink.write(Uint8Array.of(1), 0);
  await sink.write(Uint8Array.of(3), 3);
  await sink.commit(goOn);
  expect([...bytes()]).toEqual([1, 0, 0, 3, 0, 5]);
});

test('writers in any order of arrival give the same bytes, four at a time', async () => {
  const piece = 1_000_000;
  const { stream, seen, bytes } = collector();
  const sink = await open(stream, { bytes: 60 * piece });
  let next = 0;
  // Work begins in order, ends in any, as with windows.
  const work = async (seed) => {
    for (let random = seed; next < 60;) {
      const mine = next++;
      random = (random * 48271) % 2147483647;
      for (let turns = random % 50; turns > 0; --turns) await Promise.resolve();
      await sink.write(shared(piece, mine), mine * piece);
    }
  };
  await Promise.all([1, 22, 333, 4444].map(work));
  await sink.commit(goOn);
  const all = bytes();
  expect(all.length).toBe(60 * piece);
  for (let index = 0; index < 60; ++index) {
    expect([all[index * piece], all[(index + 1) * piece - 1]]).toEqual([index, index]);
  }
  expect(seen.closed).toBe(true);
});

describe('backpressure', () => {
  test('writers wait for a slow stream when no more is to be held', async () => {
    const { stream, seen, release } = slowStream();
    const sink = await open(stream, { bytes: 4, heldBytes: 2 });
    for (const position of [0, 1]) await sink.write(Uint8Array.of(position), position);
    const third = sink.write(Uint8Array.of(2), 2);
    expect(await isPending(third)).toBe(true);
    release();
    await third;
    expect(seen.chunks.length).toBe(1);
    await sink.discard();
  });

  test('early pieces wait when too much is held, and the next piece frees them', async () => {
    const { stream, bytes } = collector();
    const piece = HELD_BYTES / 4;
    const sink = await open(stream, { bytes: 7 * piece });
    for (const index of [1, 2, 3, 4]) await sink.write(shared(piece, index), index * piece);
    const early = [6, 5].map((index) => sink.write(shared(piece, index), index * piece));
    expect(await isPending(Promise.race(early))).toBe(true);
    await sink.write(shared(piece, 0), 0);
    await Promise.all(early);
    await sink.commit(goOn);
    const all = bytes();
    expect([0, 1, 2, 3, 4, 5, 6].map((index) => all[index * piece])).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(all.length).toBe(7 * piece);
  });

  test('waiting writers end with stop(), with that error, and so do later ones', async () => {
    const { stream, seen } = collector();
    const sink = await open(stream, { bytes: 4 * HELD_BYTES });
    await sink.write(shared(HELD_BYTES, 1), HELD_BYTES);
    const waiting = sink.write(shared(HELD_BYTES, 2), 2 * HELD_BYTES);
    expect(await isPending(waiting)).toBe(true);
    const failure = new Error('the first piece failed');
    sink.stop(failure);
    await expect(waiting).rejects.toBe(failure);
    await expect(sink.write(shared(1, 3), 3 * HELD_BYTES)).rejects.toBe(failure);
    await sink.discard(failure);
    expect(seen.aborted).toBe(failure);
    expect(stream.locked).toBe(false);
  });

  test('the reason of the signal is what writes end with, when it is an error of ours', async () => {
    const controller = new AbortController();
    const sink = await open(new TransformStream().writable, { bytes: 9, heldBytes: 4, signal: controller.signal });
    await sink.write(shared(4, 1), 0);
    const waiting = sink.write(shared(4, 2), 4);
    const reason = new QuantizeError('not_finite', { layer: 'a' });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await sink.discard(reason);
  });

  test('the signal ends writes to a stream that nobody reads, and its close', async () => {
    for (const stuck of ['write', 'close']) {
      const { writable } = new TransformStream();
      const controller = new AbortController();
      const sink = await open(writable, { bytes: 2, signal: controller.signal });
      const writing = (async () => {
        if (stuck === 'write') await sink.write(Uint8Array.of(1), 0);
        await sink.commit(goOn);
      })();
      expect(await isPending(writing)).toBe(true);
      controller.abort('enough');
      await expect(writing).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
      await sink.discard(new Error('aborted'));
      expect(writable.locked).toBe(false);
    }
  });
});

describe('reservations', () => {
  /** Whether promises are settled, in order. */
  const pending = (...promises) => Promise.all(promises.map(isPending));

  test('are granted in order, and what was granted is written without waiting for anyone', async () => {
    const { stream, bytes, release } = slowStream();
    const sink = await open(stream, { bytes: 10, heldBytes: 5 });
    await sink.reserve(0, 2);
    await sink.reserve(2, 3);
    // There would be room for the second when the first is gone, but it is not its turn.
    const [third, fourth] = [sink.reserve(5, 3), sink.reserve(8, 1)];
    await sink.write(shared(3, 2), 2);
    expect(await pending(third, fourth)).toEqual([true, true]);
    await sink.write(shared(2, 1), 0);
    await idle();
    release();
    expect(await pending(third, fourth)).toEqual([true, true]);
    release();
    await Promise.all([third, fourth]);
    await sink.write(shared(1, 4), 8);
    await sink.write(shared(1, 5), 5);
    await sink.write(shared(2, 6), 6);
    const committed = sink.commit(goOn);
    for (let chunk = 0; chunk < 4; ++chunk) {
      await idle();
      release();
    }
    await committed;
    expect([...bytes()]).toEqual([1, 1, 2, 2, 2, 5, 6, 6, 4, 0]);
  });

  test('of the next bytes are granted though there is no room: after padding, and when they are larger than all of it', async () => {
    const { stream, bytes } = collector();
    const pieces = [
      { begin: 0, bytes: 6 },
      { begin: 8, bytes: 9 },
      { begin: 20, bytes: 2 },
    ];
    const sink = await open(stream, { bytes: 22, pieces, heldBytes: 4 });
    await sink.write(shared(2, 3), 20);
    await sink.write(shared(6, 1), 0);
    await sink.reserve(8, 9);
    await sink.write(shared(9, 2), 8);
    await sink.commit(goOn);
    const expected = [...Array(6).fill(1), 0, 0, ...Array(9).fill(2), 0, 0, 0, 3, 3];
    expect([...bytes()]).toEqual(expected);
  });

  test('that wait end with stop(), and so do later ones and writes', async () => {
    const { stream } = slowStream();
    const sink = await open(stream, { bytes: 10, heldBytes: 4 });
    await sink.reserve(0, 4);
    const waiting = sink.reserve(4, 4);
    const failure = new Error('the piece before failed');
    sink.stop(failure);
    await expect(waiting).rejects.toBe(failure);
    await expect(sink.reserve(8, 1)).rejects.toBe(failure);
    await expect(sink.write(shared(4, 1), 0)).rejects.toBe(failure);
    await sink.discard(failure);
    await expect(sink.reserve(8, 1)).rejects.toBe(failure);
  });

  test('more than was reserved, or what has gone, is refused', async () => {
    const { stream } = collector();
    const sink = await open(stream, { bytes: 4 });
    await sink.reserve(0, 2);
    await expect(sink.write(shared(3, 1), 0)).rejects.toThrow(RangeError);
    await sink.write(shared(2, 1), 0);
    await idle();
    await expect(sink.reserve(1, 1)).rejects.toThrow(RangeError);
    await expect(sink.reserve(2, 3)).rejects.toThrow(RangeError);
    await sink.discard();
  });
});

describe('memory', () => {
  test('a stream that nobody reads never holds more than its share', async () => {
    const { stream } = slowStream();
    const sink = await open(stream, { bytes: 100, heldBytes: 10 });
    let taken = 0;
    const writes = Array.from({ length: 25 }, async (_, index) => {
      await sink.write(shared(4, index), index * 4);
      taken += 4;
    });
    await idle();
    expect(taken).toBe(8);
    await sink.discard(new Error('enough'));
    await Promise.allSettled(writes);
  });

  test.each([16, 17, 18, 24, 27, 36, 50, Infinity])(
    'windows and what is held keep within a limit of %d MiB, and both are enough to go on',
    (mebibytes) => {
      const limit = mebibytes * 2 ** 20;
      const all = memoryOf({ count: 4 }, limit);
      expect(all).toBeLessThanOrEqual(Math.min(limit, 4 * WINDOW_BYTES));
      const { workBytes, heldBytes } = shareWithStream(all);
      expect(workBytes + heldBytes).toBe(all);
      expect(workBytes).toBeGreaterThanOrEqual(WINDOW_BYTES + ASIDE_BYTES);
      expect(heldBytes).toBeGreaterThan(0);
      if (limit >= 4 * WINDOW_BYTES) expect([all, heldBytes]).toEqual([4 * WINDOW_BYTES, HELD_BYTES]);
    },
  );
});

describe('failures', () => {
  test('of the stream reject the write or the commit, and name the stream', async () => {
    const stream = new WritableStream({
      write: () => {
        throw new DOMException('no room', 'QuotaExceededError');
      },
    });
    const sink = await open(stream, { bytes: 3 });
    await sink.write(Uint8Array.of(1), 0);
    const later = (async () => {
      for (const position of [1, 2]) await sink.write(Uint8Array.of(1), position);
      await sink.commit(goOn);
    })();
    await expect(later).rejects.toMatchObject({ code: 'disk_full', file: 'the stream' });
    await sink.discard(new Error('failed'));
  });

  test('a reader that cancels ends the work', async () => {
    const { readable, writable } = new TransformStream();
    const sink = await open(writable, { bytes: 100 });
    const write = sink.write(shared(50, 1), 0);
    await readable.cancel(new Error('the download was cancelled'));
    await Promise.allSettled([write]);
    await idle();
    await expect(sink.write(shared(50, 1), 50)).rejects.toMatchObject({
      code: 'unwritable_output',
      message: expect.stringMatching(/the download was cancelled/),
    });
    await sink.discard();
  });

  test('of closing reject the commit', async () => {
    const stream = new WritableStream({ close: () => Promise.reject(new Error('no name left')) });
    const sink = await open(stream, { bytes: 1 });
    await expect(sink.commit(goOn)).rejects.toMatchObject({ code: 'unwritable_output', file: 'the stream' });
    await sink.discard();
    expect(stream.locked).toBe(false);
  });

  test('proceed() that throws, early or late, leads to an aborted stream', async () => {
    for (const late of [1, 2]) {
      const { stream, seen } = collector();
      const sink = await open(stream, { bytes: 1 });
      let calls = 0;
      const reason = new Error('no');
      const commit = sink.commit(() => {
        if (++calls === late) throw reason;
      });
      await expect(commit).rejects.toBe(reason);
      await sink.discard(reason);
      await idle();
      expect([seen.closed, seen.aborted]).toEqual([false, reason]);
    }
  });
});

describe('refuses before the first byte', () => {
  const closed = async () => {
    const stream = new WritableStream();
    await stream.close();
    return stream;
  };
  const broken = async () => new WritableStream({ start: (controller) => controller.error(new Error('broken pipe')) });
  const locked = async () => {
    const stream = new WritableStream();
    stream.getWriter();
    return stream;
  };
  const fresh = async () => new WritableStream();

  test.each([
    ['a closed stream', closed, {}, /is closed/],
    ['a broken stream', broken, {}, /broken pipe/],
    ['a locked stream', locked, {}, /is locked/],
    [
      'several files',
      fresh,
      {
        files: [
          { name: 'a', bytes: 1 },
          { name: 'b', bytes: 1 },
        ],
      },
      /several files/,
    ],
    ['to resume', fresh, { resume: { fingerprint: 'f' } }, /resumed/],
    [
      'pieces out of order',
      fresh,
      {
        pieces: [
          { begin: 1, bytes: 1 },
          { begin: 0, bytes: 1 },
        ],
      },
      /in order/,
    ],
  ])('%s', async (title, make, plan, text) => {
    const stream = await make();
    await expect(open(stream, { bytes: 2, ...plan })).rejects.toMatchObject({
      code: 'unwritable_output',
      file: 'the stream',
      message: expect.stringMatching(text),
    });
    expect(stream.locked).toBe(title === 'a locked stream');
  });

  test('something that only reads', async () => {
    await expect(open(new ReadableStream(), { bytes: 1 })).rejects.toMatchObject({ code: 'unwritable_output' });
  });
});
