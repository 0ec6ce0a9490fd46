/** docs/families.md says of every family what its entry says. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { DIFFUSION_FAMILIES } from '../support/internals.mjs';

const page = readFileSync(new URL('../../../docs/families.md', import.meta.url), 'utf8');

/** The cells of the table whose first column is headed so. */
function rowsOf(heading) {
  const table = page.slice(page.indexOf(`| ${heading} |`)).split('\n\n')[0];
  return table
    .split('\n')
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const quoted = (cell) => [...cell.matchAll(/`([^`]+)`/gu)].map(([, text]) => text);

test('the families are all there, in the order in which they are tried, with the programs that open them', () => {
  const found = rowsOf('family').map(([name, , , comfyui, sdcpp]) => [quoted(name), quoted(comfyui), sdcpp]);
  const expected = DIFFUSION_FAMILIES.map(({ name, architecture, runsInSdCpp }) => [
    [name],
    architecture === null ? [] : [architecture],
    runsInSdCpp === true ? 'yes' : 'no',
  ]);
  expect(found).toEqual(expected);
});

test('what stays precise in each of them', () => {
  const found = rowsOf('families').flatMap(([names, ...parts]) =>
    quoted(names).map((name) => [name, ...parts.map(quoted)]),
  );
  const expected = DIFFUSION_FAMILIES.filter(
    ({ architecture, runsInSdCpp }) => architecture !== null || runsInSdCpp === true,
  ).map(({ name, keep, highPrecision = [], half = [] }) => [name, keep, highPrecision, half]);
  const byName = ([a], [b]) => (a < b ? -1 : 1);
  expect(found.sort(byName)).toEqual(expected.sort(byName));
});

test('every family has a sentence on why a program does not open it', () => {
  const reasons = page.slice(page.indexOf('Where it says `no`'), page.indexOf('## What else is refused'));
  const missing = rowsOf('family').filter(([, models, , comfyui, sdcpp]) => {
    const [first] = models.split(/[,:;]| under | Turbo/u);
    const words = first.replace(/ (?:2|0\.9|Predict2)$|-α and -Σ$| \d.*$/gu, '');
    return (comfyui === 'no' || sdcpp === 'no') && !reasons.includes(words);
  });
  expect(missing).toEqual([]);
});
