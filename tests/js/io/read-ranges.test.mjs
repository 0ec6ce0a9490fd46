import { describe, expect, test } from '@jest/globals';
import { HTTP_SETTINGS, openHttp, readRanges } from '../support/internals.mjs';
import { answer, rangeOf, useServers } from '../runtime/support/server.mjs';

const servers = useServers();

/** Bytes that tell where they lie. */
function contentsOf(bytes) {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let at = 0; at < words.length; ++at) words[at] = at * 2654435761;
  return Buffer.from(words.buffer, 0, bytes);
}
const kContents = contentsOf(12_000_000);

/** A source in memory that notes its reads; `hold(position)` comes before each. */
function notedSource(contents = kContents, hold = async () => undefined) {
  const noted = { reads: [], now: 0, most: 0, ended: 0 };
  const source = {
    noted,
    async read(into, position) {
      noted.reads.push([position, position + into.length]);
      noted.most = Math.max(noted.most, ++noted.now);
      try {
        await hold(position);
        into.set(contents.subarray(position, position + into.length));
      } finally {
        --noted.now;
        ++noted.ended;
      }
    },
  };
  return source;
}
const range = (source, begin, bytes) => ({ source, begin, bytes });
const expected = (ranges, contents = kContents) =>
  ranges.map(({ begin, bytes }) => contents.toString('latin1', begin, begin + bytes));
const listed = (read) => read.map((bytes) => Buffer.from(bytes).toString('latin1'));

describe('ranges of one source', () => {
  test.each([
    ['one', [[5, 4]], [[5, 9]]],
    [
      'with fewer than 64 KB between them',
      [
        [0, 4],
        [65_539, 4],
      ],
      [[0, 65_543]],
    ],
    [
      'with 64 KB between them',
      [
        [0, 4],
        [65_540, 4],
      ],
      [
        [0, 4],
        [65_540, 65_544],
      ],
    ],
    [
      'in any order, that touch, overlap, lie in one another and are empty',
      [
        [100, 50],
        [0, 40],
        [40, 60],
        [30, 20],
        [35, 5],
        [60, 0],
        [100, 50],
      ],
      [[0, 150]],
    ],
    [
      'that together are more than is read at once',
      [
        [0, 600_000],
        [600_000, 600_000],
        [1_200_000, 10],
      ],
      [
        [0, 600_000],
        [600_000, 1_200_010],
      ],
    ],
    ['one that is larger than that', [[7, 3_000_000]], [[7, 3_000_007]]],
    ['none', [], []],
  ])('%s', async (_, wanted, reads) => {
    const source = notedSource();
    const ranges = wanted.map(([begin, bytes]) => range(source, begin, bytes));
    const read = await readRanges(ranges);
    expect(listed(read)).toEqual(expected(ranges));
    expect(source.noted.reads).toEqual(reads);
    // What lies between them is not kept.
    for (const bytes of read) expect(bytes.buffer.byteLength).toBe(bytes.length);
  });
});

test('ranges of several sources are not mixed up', async () => {
  const other = contentsOf(1000).reverse();
  const [one, two] = [notedSource(), notedSource(other)];
  const ranges = [range(one, 4, 4), range(two, 4, 4), range(one, 0, 4), range(two, 900, 100)];
  const [a, b, c, d] = listed(await readRanges(ranges));
  expect([a, c]).toEqual(expected([ranges[0], ranges[2]]));
  expect([b, d]).toEqual(expected([ranges[1], ranges[3]], other));
  expect([one.noted.reads, two.noted.reads]).toEqual([[[0, 8]], [[4, 1000]]]);
});

describe('of reads that fail', () => {
  const kApart = 100_000;
  const spread = (source, count) => Array.from({ length: count }, (_, index) => range(source, index * kApart, 4));

  test('the first in the order of the ranges counts, and all have ended by then', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    const source = notedSource(kContents, async (position) => {
      const index = position / kApart;
      if (index === 7) {
        release();
        throw new Error('read 7');
      }
      await held;
      if (index === 3) throw new Error('read 3');
    });
    await expect(readRanges(spread(source, 10))).rejects.toThrow('read 3');
    expect(source.noted).toMatchObject({ now: 0, ended: 10 });
  });

  test('nothing new begins after one', async () => {
    const source = notedSource(kContents, async () => {
      throw new Error('no');
    });
    await expect(readRanges(spread(source, 100))).rejects.toThrow('no');
    expect(source.noted).toMatchObject({ now: 0, ended: 32 });
  });
});

describe('from a server', () => {
  const kFar = 110_000;
  const kRanges = 100;
  /** Behind what is read when the file is opened. */
  const at = (index) => 500_000 + index * kFar;

  /** A server that answers nothing before `together` requests wait, or no more are to come. */
  async function patientServer(together) {
    const counts = { now: 0, most: 0, bytes: 0 };
    const waiting = [];
    let left = kRanges;
    const server = await servers.serve((request, response, attempt) => {
      if (attempt === 1) {
        answer(request, response, kContents);
        return;
      }
      const [begin, end] = rangeOf(request, kContents.length);
      counts.bytes += end - begin;
      counts.most = Math.max(counts.most, ++counts.now);
      waiting.push(() => answer(request, response, kContents));
      if (waiting.length < Math.min(together, left)) return;
      left -= waiting.length;
      counts.now -= waiting.length;
      for (const give of waiting.splice(0)) give();
    });
    return { ...server, counts };
  }

  test('ranges that lie far apart are asked for 32 at once, and nothing around them', async () => {
    const { url, requests, counts } = await patientServer(32);
    const source = await openHttp(new URL(url('/a')), undefined, HTTP_SETTINGS);
    const ranges = Array.from({ length: kRanges }, (_, index) => range(source, at(index), 4));
    expect(listed(await readRanges(ranges))).toEqual(expected(ranges));
    expect(requests).toHaveLength(1 + kRanges);
    expect(counts).toMatchObject({ most: 32, bytes: 4 * kRanges });
  });

  test('a failure that may pass is tried again, for each by itself', async () => {
    const failed = new Set();
    const { url, requests } = await servers.serve((request, response, attempt) => {
      const [begin] = rangeOf(request, kContents.length);
      if (attempt === 1 || failed.has(begin)) {
        answer(request, response, kContents);
        return;
      }
      failed.add(begin);
      response.writeHead(503).end();
    });
    const source = await openHttp(new URL(url('/a')), undefined, { ...HTTP_SETTINGS, firstDelay: 1 });
    const ranges = Array.from({ length: 40 }, (_, index) => range(source, at(index), 4));
    expect(listed(await readRanges(ranges))).toEqual(expected(ranges));
    expect(requests).toHaveLength(1 + 2 * 40);
  });

  test('a file that changes meanwhile is noticed, and what was fetched before is not asked for again', async () => {
    let tag = '"one"';
    const { url, requests } = await servers.serve((request, response) => {
      answer(request, response, kContents, { etag: tag });
    });
    const source = await openHttp(new URL(url('/a')), undefined, HTTP_SETTINGS);
    expect(listed(await readRanges([range(source, 10, 4)]))).toEqual(expected([range(source, 10, 4)]));
    expect(requests).toHaveLength(1);
    tag = '"two"';
    const changed = readRanges([range(source, at(0), 4), range(source, at(1), 4)]);
    await expect(changed).rejects.toMatchObject({
      code: 'unreadable_input',
      message: expect.stringMatching(/the file on the server changed/),
    });
    await expect(readRanges([range(source, kContents.length - 2, 4)])).rejects.toMatchObject({
      message: expect.stringMatching(/it ends early/),
    });
  });
});
