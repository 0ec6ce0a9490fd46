import { expect, test } from '@jest/globals';
import { runFixture } from '../support/child.mjs';

test('every write to a stream left 312 bytes behind until the last one', async () => {
  const writes = 200_000;
  const outcome = await runFixture('many-writes.mjs', {
    args: [String(writes)],
    nodeFlags: ['--max-old-space-size=24'],
  });
  expect(outcome).toMatchObject({ code: 0, stdout: String(writes) });
});
