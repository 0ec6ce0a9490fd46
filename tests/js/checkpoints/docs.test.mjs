import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ARCHITECTURES } from '../support/internals.mjs';

const page = readFileSync(new URL('../../../docs/checkpoints.md', import.meta.url), 'utf8');

test('docs/checkpoints.md lists the models that GGUFs can be made of', () => {
  const [, table] = /^\| `general\.architecture` \|.*\n\|---.*\n((?:\|.*\n)+)/mu.exec(page);
  const listed = table
    .trimEnd()
    .split('\n')
    .map((row) => row.split('|').slice(1, -1))
    .map(([name, , classes]) => [name.trim(), classes.trim()]);
  const known = new Map();
  for (const { name, classes } of ARCHITECTURES) known.set(name, [...(known.get(name) ?? []), ...classes]);
  const expected = [...known].map(([name, classes]) => [`\`${name}\``, classes.map((one) => `\`${one}\``).join(', ')]);
  expect(listed).toEqual(expected);
});
