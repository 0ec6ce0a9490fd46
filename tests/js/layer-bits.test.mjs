import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { firstDifference, randomWeights } from './support/weights.mjs';

const NAMES = ['attention.mask', 'attention.q', 'embed', 'mlp.up'];
const WEIGHTS = new Map(NAMES.map((name, i) => [name, randomWeights(700, i + 1)]));

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ backend: 'single' });
});
afterAll(() => quantizer.dispose());

const widthsOf = (result) => NAMES.map((name) => result.get(name).bitWidth);

test.each([
  ['a Map', new Map(Object.entries({ embed: 8, 'mlp.up': 2 })), [4, 4, 8, 2]],
  ['an object', { embed: 8, 'attention.q': 2 }, [4, 2, 8, 4]],
  ['an object without a prototype', Object.assign(Object.create(null), { embed: 8 }), [4, 4, 8, 4]],
  [
    'patterns, of which the first that fits counts',
    [
      [/q$/, 8],
      ['^attention', 2],
      [/embed/g, 8],
    ],
    [2, 8, 8, 4],
  ],
  ['whole names in a list', new Set([['=embed', 2]]), [4, 4, 2, 4]],
  ['nothing', {}, [4, 4, 4, 4]],
])('layers get the bits that %s says', async (_, layerBits, widths) => {
  const result = await quantizer.quantizeBatch(WEIGHTS, 4, { layerBits });
  expect(widthsOf(result)).toEqual(widths);
  expect(result.warnings).toEqual([]);
  for (const [index, name] of NAMES.entries()) {
    const alone = await quantizer.quantizeBatch({ [name]: WEIGHTS.get(name) }, widths[index]);
    expect(firstDifference(new Map([[name, result.get(name)]]), alone)).toBeNull();
    expect(Object.keys(result.get(name))).toEqual(Object.keys(alone.get(name)));
  }
});

test('what fits no layer gives a warning', async () => {
  const named = await quantizer.quantizeBatch(WEIGHTS, 4, { layerBits: { embed: 8, embedd: 2 } });
  expect(named.warnings).toEqual([
    { code: 'rule_without_match', layer: null, message: 'layerBits has "embedd", but there is no layer of that name' },
  ]);
  const rules = [
    [/^q/, 8],
    ['=mlp', 2],
    ['mlp', 8],
    // It fits, though another one counts.
    ['up', 2],
  ];
  const matched = await quantizer.quantizeBatch(WEIGHTS, 4, { layerBits: rules });
  expect(matched.warnings.map(({ message }) => message)).toEqual([
    'the entry "^q=8" of layerBits fits no layer',
    'the entry "=mlp=2" of layerBits fits no layer',
  ]);
  expect(widthsOf(matched)).toEqual([4, 4, 4, 8]);
});

test('what is fixed is not raised by fallback, but warned of, or fails', async () => {
  const options = { minCosine: 0.999, fallback: true, layerBits: { embed: 2 } };
  const result = await quantizer.quantizeBatch(WEIGHTS, 2, options);
  const [mask, q, embed, up] = widthsOf(result);
  expect(embed).toBe(2);
  expect(Math.min(mask, q, up)).toBeGreaterThan(2);
  expect(result.warnings.map(({ code, layer }) => [code, layer])).toEqual([['below_min_cosine', 'embed']]);
  expect(result.warnings[0].message).toMatch(
    /with 2 bits, and minCosine asks for 0\.999; give it more bits in layerBits$/,
  );
  await expect(quantizer.quantizeBatch(WEIGHTS, 2, { ...options, failFast: true })).rejects.toMatchObject({
    ...{ code: 'below_min_cosine', layer: 'embed' },
  });
});

test.each([
  [{ embed: 3 }, 'layerBits of "embed" is 3, must be 2, 4 or 8'],
  [{ embed: '4' }, 'layerBits of "embed" is "4"'],
  [new Map([[4, 4]]), 'a key of layerBits is 4, must be the name of a layer'],
  [[['embed', 16]], 'layerBits[0][1] is 16'],
  [[[/embed/, 4], ['mlp']], 'layerBits[1] is an array, must be a pair of a pattern and bits'],
  [[{ embed: 4 }], 'layerBits[0] is an object'],
  [[['(', 4]], 'layerBits[0][0] is "(", no regular expression'],
  [[[7, 4]], 'layerBits[0][0] is 7, must be a regular expression, or the text of one'],
  [Promise.resolve(), 'layerBits is object Promise, must be a Map or an object'],
  [4, 'layerBits is object Number'],
  ['embed', 'layerBits[0] is "e"'],
])('%p is refused', async (layerBits, message) => {
  const call = quantizer.quantizeBatch(WEIGHTS, 4, { layerBits });
  await expect(call).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringContaining(message) });
});
