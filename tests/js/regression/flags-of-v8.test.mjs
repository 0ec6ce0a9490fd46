/** With a flag of V8, such as the size of its heap, the backend `workers` did not start. */
import { expect, test } from '@jest/globals';
import { runFixture } from '../support/child.mjs';

test.each([['--max-old-space-size=1000'], ['--expose-gc'], ['--stack-size=900', '--no-warnings']])(
  'the workers start under node %s',
  async (...nodeFlags) => {
    const { code, stdout } = await runFixture('start.mjs', { args: ['workers'], nodeFlags });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ backend: 'workers', layers: 3, fallback: null });
  },
);
