import { describe, expect, test } from '@jest/globals';
import { PositionQueue } from '../../support/internals.mjs';
import { kOrders } from '../support/orders.mjs';

/** Items that count how often somebody looks at a position. */
function counted(positions) {
  const looks = { count: 0 };
  const items = positions.map((position) => ({
    get position() {
      ++looks.count;
      return position;
    },
  }));
  return { looks, items };
}

function drained(queue) {
  const taken = [];
  while (queue.first !== undefined) taken.push(queue.takeFirst());
  return taken;
}

test('gives items by position, and those of one position as they came', () => {
  const queue = new PositionQueue();
  const items = [5, 3, 5, 0, 3, 5].map((position, arrival) => ({ position, arrival }));
  for (const item of items) queue.add(item);
  expect(queue.first).toBe(items[3]);
  expect(drained(queue).map(({ arrival }) => arrival)).toEqual([3, 1, 4, 0, 2, 5]);
  expect(queue.takeFirst()).toBeUndefined();
});

test('keeps the order of arrival when items come and go in turn', () => {
  const queue = new PositionQueue();
  for (const arrival of [0, 1, 2]) queue.add({ position: 0, arrival });
  const taken = [];
  for (let arrival = 3; arrival < 50; ++arrival) {
    taken.push(queue.takeFirst().arrival);
    queue.add({ position: 0, arrival });
  }
  expect(taken).toEqual(Array.from({ length: 47 }, (_, index) => index));
});

test('gives all of them at once, and is empty then', () => {
  const queue = new PositionQueue();
  for (const position of [2, 1, 3]) queue.add({ position });
  expect(new Set(queue.takeAll().map(({ position }) => position))).toEqual(new Set([1, 2, 3]));
  expect(queue.first).toBeUndefined();
});

describe.each(Object.entries(kOrders))('items that come %s', (_, order) => {
  test.each([500, 4000, 16_000])('are put in order in a few steps each: %d of them', (count) => {
    const { looks, items } = counted(order(count));
    const queue = new PositionQueue();
    for (const item of items) queue.add(item);
    const positions = drained(queue).map(({ position }) => position);
    // Two looks a comparison: one for each level on the way up, two on the way down.
    expect(looks.count - count).toBeLessThanOrEqual(2 * 3 * count * Math.ceil(Math.log2(count)));
    expect(positions).toEqual(Array.from({ length: count }, (_, index) => index));
  });
});
