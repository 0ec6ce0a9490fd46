import { expect, test } from '@jest/globals';
import { Pipeline } from '../support/internals.mjs';

/** Windows that are only counted: the work of these tests does nothing in them. */
function countedPool(count) {
  const leases = { now: 0, most: 0 };
  const lease = async (work) => {
    leases.most = Math.max(leases.most, ++leases.now);
    try {
      return await work({});
    } finally {
      --leases.now;
    }
  };
  return { leases, pool: { count, lease } };
}

test('pieces that wait at their end, as for a disk, keep no window from others', async () => {
  const { pool, leases } = countedPool(2);
  const pipeline = new Pipeline({ pool, signal: undefined, fail: () => undefined });
  let release;
  const disk = new Promise((resolve) => (release = resolve));
  const worked = [];
  const ended = [];
  for (let index = 0; index < 100; ++index) {
    await pipeline.start({
      work: async () => {
        worked.push(index);
      },
      end: async () => {
        await disk;
        ended.push(index);
      },
    });
  }
  expect(ended).toEqual([]);
  release();
  await pipeline.drain();
  expect(worked).toHaveLength(100);
  expect(ended).toHaveLength(100);
  expect(leases.most).toBeLessThanOrEqual(2);
});
