import { expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { measure, withRatios } from '../../../bench/lib/measure.mjs';
import { besideBefore, importInternal, openPackages } from '../../../bench/lib/packages.mjs';
import { inTemporaryFolder } from '../../../bench/lib/temporary.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));

test('cases take turns, every other round backwards, and the first round does not count', async () => {
  const seen = [];
  const case_ = (name, times) => ({ name, bytes: 1e6, run: () => (seen.push(name), times.shift()) });
  const results = await measure([case_('a', [100, 1, 2, 3]), case_('b', [100, 4, 5, 6])], 3);
  expect(seen.join('')).toBe('baabbaab');
  expect(results.map(({ median }) => median)).toEqual([2, 5]);
  expect(withRatios(results, 'a').map(({ ratio }) => ratio)).toEqual([1, 0.4]);
});

test('a case is compared with the one of the same name in the older build', () => {
  const results = [
    { name: 'before: a', median: 6 },
    { name: 'a', median: 2 },
    { name: 'b', median: 2 },
  ];
  expect(besideBefore(results).map(({ ratio }) => ratio)).toEqual([null, 3, null]);
});

test('an older build is a folder like dist, whose modules are found wherever they lie', async () => {
  const builds = await openPackages(`${root}/dist`);
  expect(builds.map(({ label }) => label)).toEqual(['before: ', '']);
  expect(await importInternal(builds[0], 'errors.js')).toHaveProperty('QuantizeError');
  expect(() => importInternal(builds[0], 'nowhere.js')).toThrow(/has no nowhere\.js/);
});

test('a temporary folder is removed after a failure, too', async () => {
  let left;
  const failing = inTemporaryFolder((folder) => {
    left = folder;
    expect(existsSync(folder)).toBe(true);
    throw new Error('a case failed');
  });
  await expect(failing).rejects.toThrow('a case failed');
  expect(existsSync(left)).toBe(false);
});

test.each([
  [['--only', 'nothing'], /^No such group: nothing\. There are batch, .*resume\.$/],
  [['--in', 'netscape'], /^No such browser: netscape\. There are chromium, firefox\.$/],
  [['--in', 'chromium', '--only', 'peers'], /^No such group: peers\. There are kernels, batch, files\.$/],
])('bench %j says what there is', (parameters, sentence) => {
  const { status, stderr } = spawnSync(process.execPath, [`${root}/bench/main.mjs`, ...parameters], {
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stderr.trim()).toMatch(sentence);
});
