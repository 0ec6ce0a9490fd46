import { describe, expect, test } from '@jest/globals';
import { goldenTable } from '../../support/golden-tables.mjs';
import { modelIdOf, sizeLabel, titleOf } from '../../support/internals.mjs';

const kIds = ['names', 'more_names'].flatMap((table) => {
  const { params, rows } = goldenTable(table);
  return rows.map((row) => ({ ...row, params }));
});

const kTitles = ['titles', 'more_titles'].flatMap((table) => goldenTable(table).rows);

describe("a model's id", () => {
  test.each(kIds)('$id', ({ id, title, components, params }) => {
    for (const [index, parameters] of params.entries()) {
      const { name, organization, basename, finetune, version, sizeLabel: size } = modelIdOf(id, parameters);
      const parts = [name, organization, basename, finetune, version, size];
      expect([parameters, ...parts]).toEqual([parameters, ...(components[index] ?? components[0])]);
    }
    expect(titleOf(modelIdOf(id, 0).name)).toBe(title);
  });
});

describe('a title', () => {
  test.each(kTitles)('of %j', (id, title) => {
    expect(titleOf(id)).toBe(title);
  });
});

describe('a size', () => {
  test.each(goldenTable('size_labels').rows)('of %j', ([total, shared, expert, experts], label) => {
    expect(sizeLabel({ total, shared, expert, experts })).toBe(label);
  });
});
