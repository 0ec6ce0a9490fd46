import { describe, expect, test } from '@jest/globals';
import { nodeFiles } from '../../support/internals.mjs';
import { kOrders } from '../support/orders.mjs';
import { collector, isPending } from '../support/streams.mjs';

const goOn = () => undefined;
const open = (stream, plan) => nodeFiles.openSink(stream, { inputs: [], ...plan });
const filled = (count, value) => new Uint8Array(count).fill(value);

describe.each(Object.entries(kOrders))('thousands of tiny pieces behind one that is late, %s', (_, order) => {
  const kLate = 100;
  const kTiny = 8000;

  test.each([
    ['held', 2 ** 20],
    ['waiting for room', 200],
  ])('are %s, and follow it', async (_title, heldBytes) => {
    const { stream, bytes } = collector();
    const sink = await open(stream, { bytes: kLate + kTiny, heldBytes });
    const writes = order(kTiny).map((index) => sink.write(Uint8Array.of(index % 251), kLate + index));
    expect(await isPending(Promise.all(writes))).toBe(heldBytes < kTiny);
    await sink.write(filled(kLate, 255), 0);
    await Promise.all(writes);
    await sink.commit(goOn);
    const expected = new Uint8Array(kLate + kTiny).fill(255, 0, kLate);
    for (let index = 0; index < kTiny; ++index) expected[kLate + index] = index % 251;
    expect(bytes().equals(expected)).toBe(true);
  });
});

test.each([
  ['the same bytes', 0, 4],
  ['some of them', 2, 4],
  ['one that is held', 6, 2],
])('what is written twice is refused: %s', async (_, position, count) => {
  const { stream, seen } = collector();
  const sink = await open(stream, { bytes: 12 });
  await sink.write(filled(4, 2), 4);
  await sink.write(filled(count, 3), position);
  const ended = (async () => {
    await sink.write(filled(4, 1), 0);
    await sink.commit(goOn);
  })();
  await expect(ended).rejects.toThrow(/^byte \d of the stream was written twice$/);
  await sink.discard();
  expect(seen.closed).toBe(false);
});
