import { describe, expect, test } from '@jest/globals';
import { checkpointFiles } from '../../support/checkpoint-files.mjs';
import { goldenTable } from '../../support/golden-tables.mjs';
import { readConfig } from '../../support/internals.mjs';

const read = (config, model) => readConfig(checkpointFiles({ 'config.json': JSON.stringify(config) }), model);

/** As JSON.parse has it. */
function plain(value) {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, one]) => [name, plain(one)]));
  if (Array.isArray(value)) return value.map(plain);
  return value?.number === undefined ? value : Number(value.number);
}

/** Long lists are cut in the table. */
const cut = (value) => (Array.isArray(value) && value.length > 6 ? [...value.slice(0, 6), '…'] : value);

async function filledIn(config, names) {
  const { hparams } = await read(config);
  return Object.fromEntries(
    names.filter((name) => hparams.has(name)).map((name) => [name, cut(plain(hparams.find(name)))]),
  );
}

const { rows } = goldenTable('config_defaults');
const known = rows.filter(({ defaults }) => defaults !== undefined);

describe('what a config.json leaves out', () => {
  test.each(known)('is that of $model_type', async ({ model_type, defaults, derived }) => {
    const config = { model_type, architectures: ['Model'] };
    expect(await filledIn(config, Object.keys(defaults))).toEqual(defaults);
    const sizes = { hidden_size: 96, num_attention_heads: 3, num_hidden_layers: 4 };
    const changed = Object.keys(derived);
    expect(await filledIn({ ...config, ...sizes }, changed)).toEqual(derived);
  });

  test.each(rows.filter(({ error }) => error !== undefined))('stays out for $model_type', async ({ model_type }) => {
    const { hparams } = await read({ model_type, architectures: ['Model'], hidden_size: 8 });
    expect([...hparams.values.keys()]).toEqual(['model_type', 'architectures', 'hidden_size']);
  });
});

describe('a config.json', () => {
  /** Where transformers refuses it, it is what it was. */
  test.each(goldenTable('configs').rows)('%j', async (config, filled) => {
    const { hparams } = await read({ architectures: ['Model'], ...config });
    const { text_config: text, ...values } = filled ?? config;
    for (const [name, value] of Object.entries({ ...values, ...text })) {
      if (name !== 'model_type') expect([name, plain(hparams.find(name))]).toEqual([name, value]);
    }
    if (filled !== null) return;
    const names = { architectures: [], ...config, ...config.text_config };
    expect([...hparams.values.keys()].sort()).toEqual(Object.keys(names).sort());
  });
});

describe('how positions are rotated', () => {
  const rope = async (config) =>
    plain((await read({ model_type: 'unknown', architectures: ['Model'], ...config })).rope.values);

  test('stands in one place', async () => {
    expect(await rope({})).toEqual({});
    expect(await rope({ rope_scaling: null, rope_theta: 5 })).toEqual({ rope_theta: 5 });
    expect(await rope({ rope_scaling: { type: 'linear', rope_theta: 7 }, rope_theta: 5, rope_pct: 0.5 })).toEqual({
      ...{ type: 'linear', rope_type: 'linear', rope_theta: 7, partial_rotary_factor: 0.5 },
    });
    expect(await rope({ rope_parameters: null, rope_scaling: { factor: 2 } })).toEqual({});
    expect(await rope({ rope_local_base_freq: 3, original_max_position_embeddings: 8 })).toEqual({
      ...{ sliding_attention: { rope_theta: 3 }, original_max_position_embeddings: 8 },
    });
  });

  test('is left alone where there are two kinds of attention', async () => {
    const both = { full_attention: { rope_theta: 1 }, sliding_attention: { rope_theta: 2 } };
    expect(await rope({ rope_parameters: both, rope_theta: 5 })).toEqual(both);
  });

  test('null counts, of several names for one thing', async () => {
    expect(await rope({ global_rope_theta: null, rope_theta: 5 })).toEqual({});
  });

  test('is an object', async () => {
    await expect(rope({ rope_scaling: 'linear' })).rejects.toMatchObject({ code: 'invalid_file', file: 'config.json' });
  });
});

describe('what the model is', () => {
  const classesOf = async (config) => (await read({ model_type: 'unknown', ...config })).classes;

  test('is said by the text model, where it does', async () => {
    expect(await classesOf({ architectures: ['A', 'B'], text_config: { architectures: ['C'] } })).toEqual(['C']);
    expect(await classesOf({ architectures: ['A'], llm_config: { hidden_size: 1 } })).toEqual(['A']);
    const own = 'StepVLForConditionalGeneration';
    expect(await classesOf({ architectures: [own], text_config: { architectures: ['C'] } })).toEqual([own]);
  });

  test('has the values of its text model, wherever they stand', async () => {
    const sizes = async (config) =>
      (await read({ architectures: ['A'], hidden_size: 1, ...config })).hparams.whole('hidden_size');
    expect(await sizes({ text_config: { hidden_size: 2 } })).toBe(2);
    expect(await sizes({ lm_config: { hidden_size: 3 } })).toBe(3);
    expect(await sizes({ thinker_config: { text_config: { hidden_size: 4 } } })).toBe(4);
    expect(await sizes({ language_config: { hidden_size: 5 }, text_config: null })).toBe(5);
    expect(await sizes({ llm_config: { hidden_size: 6 }, lfm: { hidden_size: 7 } })).toBe(7);
  });

  test('must be said', async () => {
    await expect(readConfig(checkpointFiles({}), 'folder')).rejects.toMatchObject({
      code: 'unsupported_model',
      file: 'folder',
    });
    await expect(read({ model_type: 'llama' }, 'folder')).rejects.toMatchObject({
      code: 'unsupported_model',
      file: 'folder',
    });
    await expect(read({ architectures: [] })).rejects.toMatchObject({ code: 'unsupported_model' });
  });

  test.each([
    { architectures: 'A' },
    { architectures: [1] },
    { architectures: ['A'], text_config: null },
    { architectures: ['A'], text_config: [] },
    { architectures: ['A'], llm_config: 1 },
    { architectures: ['A'], thinker_config: {} },
    { architectures: ['A'], model_type: 'gemma3', text_config: 'x' },
  ])('%j is refused', async (config) => {
    await expect(read(config)).rejects.toMatchObject({ code: 'invalid_file', file: 'config.json' });
  });

  test('a config.json with a billion layers is left as it is', async () => {
    const { hparams } = await read({ model_type: 'gemma2', architectures: ['A'], num_hidden_layers: 1e9 });
    expect(hparams.has('layer_types')).toBe(false);
  });

  test('a whole number has no sign of zero', async () => {
    const text = '{"architectures": ["A"], "eps": -0, "other": -0.0}';
    const { hparams } = await readConfig(checkpointFiles({ 'config.json': text }));
    expect([hparams.number('eps'), hparams.number('other')]).toEqual([0, -0]);
  });
});
