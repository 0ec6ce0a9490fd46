import { describe, expect, test } from '@jest/globals';
import { checkpointFiles } from '../../support/checkpoint-files.mjs';
import { goldenRows, goldenTable } from '../../support/golden-tables.mjs';
import { KeyList, printJson, setGeneral } from '../../support/internals.mjs';

const kCounts = { total: 7e9, shared: 7e9, expert: 0, experts: 0 };
const kFolder = 'My-Model-7B-Instruct-v0.1';

/** What is written for files beside a model, as the tables have it; general.type left out. */
async function generalOf(
  contents,
  { folder = kFolder, counts = kCounts, name = null, file = 'model.safetensors' } = {},
) {
  const warnings = [];
  const checkpoint = {
    name: file,
    files: checkpointFiles(contents, folder),
    options: { name },
    warn: ({ message }) => void warnings.push(message),
  };
  const pairs = new KeyList();
  await setGeneral(pairs, checkpoint, counts);
  const [type, ...others] = pairs.pairs;
  expect([type.key, type.value]).toEqual(['general.type', 'model']);
  return { rows: others.map(({ key, type, value }) => [key, TYPES[type] ?? type, value]), warnings };
}

/** The table's names of types. */
const TYPES = { u32: 'uint32', i32: 'int32', f32: 'float32' };

const isSampling = ([key]) => key.startsWith('general.sampling.');

const rounded = (rows) =>
  rows.map(([key, type, value]) => [key, type, type === 'float32' ? Math.fround(value) : value]);

const failure = (file) => ({ code: 'invalid_file', file });

describe('a model card', () => {
  test.each(goldenTable('cards').rows)('$name', async ({ readme, kv }) => {
    const written = generalOf({ 'README.md': readme });
    if (Array.isArray(kv)) expect((await written).rows).toEqual(kv);
    else await expect(written).rejects.toMatchObject(failure('README.md'));
  });
});

/** What is no object is the file's text. */
const kGeneration = goldenRows('generation').map((row) => {
  const config = row.get('generation_config');
  const kv = JSON.parse(printJson(row.get('kv'), 0));
  return { generation_config: typeof config === 'string' ? config : printJson(config, 0), kv };
});

describe('generation_config.json', () => {
  test.each(kGeneration)('$generation_config', async ({ generation_config, kv }) => {
    const written = generalOf({ 'generation_config.json': generation_config });
    if (Array.isArray(kv)) expect((await written).rows.filter(isSampling)).toEqual(rounded(kv));
    else await expect(written).rejects.toMatchObject(failure('generation_config.json'));
  });
});
