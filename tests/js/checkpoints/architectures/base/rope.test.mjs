import { expect, test } from '@jest/globals';
import { Hparams, llama3Factors } from '../../../support/internals.mjs';

const ropeOf = (values) =>
  new Hparams(
    new Map(Object.entries(values).map(([key, one]) => [key, typeof one === 'number' ? { number: String(one) } : one])),
    { name: 'config.json' },
  );

const repeated = (value, count) => Array(count).fill(value);

// Computed with torch 2.11.0 as llama.cpp's converter does, ATEN_CPU_CAPABILITY=default.
test.each([
  [
    'Llama 3.2',
    64,
    {
      rope_theta: 500_000,
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
    [...repeated(1, 15), 1.6513292789459229, 3.2922627925872803, 9.666730880737305, ...repeated(32, 14)],
  ],
  [
    'Llama 3.1, most of which is what is usual',
    128,
    { rope_theta: 500_000 },
    [
      ...repeated(1, 29),
      ...[1.2074838876724243, 1.5534145832061768, 2.026313066482544],
      ...[2.6945300102233887, 3.684253215789795, 5.257327079772949],
      ...repeated(8, 29),
    ],
  ],
  [
    'other numbers',
    32,
    {
      rope_theta: 1e4,
      factor: 2.5,
      low_freq_factor: 0.7,
      high_freq_factor: 3.3,
      original_max_position_embeddings: 1000,
    },
    [...repeated(1, 7), 1.1215927600860596, 1.650867223739624, 2.2471978664398193, ...repeated(2.5, 6)],
  ],
])("the factors of Llama 3's frequencies are those that torch computes: %s", (_, size, values, expected) => {
  const rope = ropeOf({ rope_type: 'llama3', ...values });
  expect(llama3Factors({ rope }, size, 8)).toEqual(expected);
});

test('the factors of layers that attend to everything count', () => {
  const full = new Map([
    ['rope_type', 'llama3'],
    ['factor', { number: '2' }],
  ]);
  const factors = llama3Factors({ rope: ropeOf({ full_attention: full, factor: 9 }) }, 64, 8);
  expect(factors.at(-1)).toBe(2);
});

test('other ways of rotating have no factors', () => {
  expect(llama3Factors({ rope: ropeOf({ rope_type: 'yarn', factor: 4 }) }, 64, 8)).toBeUndefined();
  expect(llama3Factors({ rope: ropeOf({}) }, 64, 8)).toBeUndefined();
});
