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
