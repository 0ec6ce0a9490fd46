import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { MLX_MODELS } from '../support/internals.mjs';

const page = readFileSync(new URL('../../../docs/model-folders.md', import.meta.url), 'utf8');

test('docs/model-folders.md lists the models that MLX folders can be made of', () => {
  const [, list] = /These types are known: ([^.]*)\./u.exec(page);
  const listed = list.replace(/\([^)]*\)/gu, '').match(/\b[a-z]\w+/gu);
  const known = MLX_MODELS.flatMap(({ types }) => types);
  expect(new Set(known).size).toBe(known.length);
  expect(listed.filter((name) => name !== 'and').toSorted()).toEqual(known.toSorted());
});
