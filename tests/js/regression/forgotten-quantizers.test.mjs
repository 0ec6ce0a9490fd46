/** Quantizers that nobody could reach any more kept their threads: 31 where 11 were expected. */
import { describe, expect, test } from '@jest/globals';
import { runFixture } from '../support/child.mjs';

const nodeFlags = ['--expose-gc'];

describe.each(['threads', 'workers'])('backend %s', (backend) => {
  test.each(['idle', 'used', 'module'])('threads end with what was forgotten (%s)', async (what) => {
    const { code, stdout, stderr } = await runFixture('forgotten-quantizers.mjs', { args: [backend, what], nodeFlags });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ started: true, left: 0 });
  });
});

test.each(['threads', 'workers', 'single'])('a call under way holds its quantizer, backend %s', async (backend) => {
  const { code, stdout, stderr } = await runFixture('forgotten-while-working.mjs', { args: [backend], nodeFlags });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual([((1 << 21) / 256) * 144, 8, 8]);
});
