import { expect, test } from '@jest/globals';
import { Companions, MemorySource, readModelConfig } from '../support/internals.mjs';

const read = (text) => {
  const weights = new MemorySource('model.safetensors', new Uint8Array());
  weights.sibling = (name) => Promise.resolve(new MemorySource(name, new TextEncoder().encode(text)));
  return readModelConfig(new Companions(weights));
};

test('a config.json may have the numbers that Python writes and JSON has not', async () => {
  const config = await read(
    '{"limit": [0.0, Infinity, -Infinity, NaN], "NaN": "Infinity \\" NaN", "model_type": "mamba"}',
  );
  expect(config).toEqual({ limit: [0, null, null, null], NaN: 'Infinity " NaN', model_type: 'mamba' });
});

test('a config.json that is no JSON is refused', async () => {
  await expect(read('{"a": Infinit}')).rejects.toMatchObject({ code: 'invalid_file', file: 'config.json' });
});
