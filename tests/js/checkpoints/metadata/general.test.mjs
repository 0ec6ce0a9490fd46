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
  return { pairs: others, rows: others.map(({ key, type, value }) => [key, TYPES[type] ?? type, value]), warnings };
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

/** The type of an array's items is a part of the table's types; numbers that JSON has not are texts there. */
const typed = (pairs) =>
  pairs.map(({ key, type, value, array }) => {
    const name = TYPES[type] ?? type;
    if (array === null) return [key, name, value];
    return [
      key,
      `array of ${TYPES[array.type] ?? array.type}`,
      value.map((one) => (Math.abs(one) === Infinity ? String(one).replace('Infinity', 'inf') : one)),
    ];
  });

describe('a stranger model card', () => {
  test.each(goldenTable('more_cards').rows)('$name', async ({ readme, kv }) => {
    const written = generalOf({ 'README.md': readme });
    if (Array.isArray(kv)) expect(typed((await written).pairs)).toEqual(kv);
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

describe('what a model is called', () => {
  const nameOf = async (contents, options) => {
    const { rows } = await generalOf(contents, { folder: '', ...options });
    return rows.find(([key]) => key === 'general.name')?.[2];
  };

  test("a name of the caller's is the only thing that changes", async () => {
    const { rows } = await generalOf({}, { name: 'mine-7b' });
    const { rows: without } = await generalOf({});
    expect(rows).toEqual([['general.name', 'string', 'mine-7b'], ...without.slice(1)]);
  });

  test("is what config.json says, unless that is a folder's path", async () => {
    const named = (name) => nameOf({ 'config.json': JSON.stringify({ _name_or_path: name }) }, { folder: 'a-folder' });
    expect(await named('meta-llama/Llama-2-7b-hf')).toBe('Llama 2 7b Hf');
    expect(await named('/home/me/llama')).toBe('A Folder');
    expect(await named(null)).toBe('A Folder');
    await expect(named(7)).rejects.toMatchObject(failure('config.json'));
    await expect(named('\ud800')).rejects.toMatchObject({ code: 'invalid_file' });
  });

  test("is the weights' file, where nobody knows the folder", async () => {
    expect(await nameOf({}, { file: 'https://host/x/tiny-llama-1b.safetensors' })).toBe('Tiny Llama 1b');
    expect(await nameOf({}, { file: 'C:\\models\\tiny.safetensors.index.json' })).toBe('Tiny');
    expect(await nameOf({}, { file: 'model-00001-of-00002.safetensors' })).toBeUndefined();
  });

  test('has a size by the number of parameters, where no name says it', async () => {
    const sizeOf = async (counts) =>
      (await generalOf({}, { folder: 'tiny', counts })).rows.find(([key]) => key === 'general.size_label')?.[2];
    expect(await sizeOf({ total: 112_500, shared: 112_500, expert: 0, experts: 0 })).toBe('112K');
    expect(await sizeOf({ total: 8e9, shared: 1e9, expert: 1e9, experts: 7 })).toBe('7x2.0B');
    expect(await sizeOf({ total: 0, shared: 0, expert: 0, experts: 0 })).toBeUndefined();
  });
});

describe('files of strangers', () => {
  test('a generation_config.json that is no JSON is left out, with a warning', async () => {
    const { rows, warnings } = await generalOf({ 'generation_config.json': '\ufeff{"top_k": 1}' });
    expect(rows.filter(isSampling)).toEqual([]);
    expect(warnings).toEqual(['generation_config.json is no JSON: what it says of sampling is left out.']);
  });

  test.each([
    '[1]',
    '{"top_k": 1e99}',
    '{"top_k": "1"}',
    '{"top_p": 1e39}',
    '{"sequence": 1}',
    '{"sequence": "\\ud800"}',
  ])('a generation_config.json of %s is refused', async (config) => {
    await expect(generalOf({ 'generation_config.json': config })).rejects.toMatchObject(
      failure('generation_config.json'),
    );
  });

  test('a card that nests too deep is refused', async () => {
    const readme = `---\nx: ${'['.repeat(50_000)}\n---\n`;
    await expect(generalOf({ 'README.md': readme })).rejects.toMatchObject(failure('README.md'));
  });

  test('aliases of aliases stay the few values that they are', async () => {
    const levels = Array.from({ length: 40 }, (_, level) => `a${level}: &a${level} [*a${level - 1}, *a${level - 1}]`);
    const readme = ['---', 'a: &a-1 x', ...levels, 'license: mit', '---', ''].join('\n');
    expect((await generalOf({ 'README.md': readme })).rows).toContainEqual(['general.license', 'string', 'mit']);
  });

  test('names of JavaScript mean nothing in a card', async () => {
    const readme = '---\n__proto__: {license: x}\nconstructor: y\nlicense: mit\n---\n';
    expect((await generalOf({ 'README.md': readme })).rows).toContainEqual(['general.license', 'string', 'mit']);
  });
});
