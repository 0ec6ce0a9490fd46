import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { openLlamaModels } from '../../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama } from '../../../peers/tiny-llama.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { imatrixGguf, seededEntries } from '../../support/models/imatrix.mjs';
import { float32Tensor, fromFloats, halfTensor, modelFile, readModel } from '../../support/models/safetensors.mjs';
import { randomSource } from '../../support/weights.mjs';
import { kWideCheckpoints, writeWide } from '../../checkpoints/support/checkpoint.mjs';
import { cosineOf, mapValues, restoredPairs } from './support.mjs';

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Weights within 1, and every 128th of this height: levels that reach it are too far apart for the others. */
function spikes(count, height, seed) {
  const random = randomSource(seed);
  return Float32Array.from({ length: count }, (_, i) => (i % 128 === 7 ? height : random() + random() - 1));
}

const spiky = (name, shape, height, dtype = 'F32') =>
  fromFloats(name, dtype, shape, spikes(shape[0] * shape[1], height, name.length));

/** Of each kind one tensor that fits into a window, and one that takes two. */
const kTensors = [
  spiky('calm.weight', [64, 256], 0.5),
  spiky('wild.weight', [64, 256], 4),
  spiky('wilder.weight', [1100, 1024], 8, 'F16'),
  spiky('calm.large.weight', [1100, 1024], 0.5, 'BF16'),
  float32Tensor('bias', [64]),
];
const writeModel = () => folder.write('in.safetensors', modelFile(kTensors));
const typesOf = ({ tensors }) => Object.fromEntries(tensors.map(({ name, to }) => [name, to]));
const rulesOf = ({ tensors }) => Object.fromEntries(tensors.map(({ name, rule }) => [name, rule]));

/** What is converted with these options, by a plan that says the same before. */
async function converted(input, sink, options) {
  const plan = await quantizer.plan(input, { container: /\w+$/u.exec(sink)[0], ...options });
  const report = await quantizer.quantizeFile(input, folder.path(sink), options);
  expect(typesOf(report)).toEqual(typesOf(plan));
  expect(rulesOf(report)).toEqual(rulesOf(plan));
  expect(report.warnings).toEqual(plan.warnings);
  expect(statSync(report.output).size).toBe(plan.output.bytes);
  return report;
}

/** Cosines of converted tensors, measured here. */
const cosinesOf = async (input, report) =>
  mapValues(await restoredPairs(quantizer, input, report), ([original, restored]) => cosineOf(original, restored));

/** Between the cosines of the tensors, so that some are below. */
function middleOf(cosines) {
  const sorted = [...cosines.values()].sort((a, b) => a - b);
  const at = sorted.length >> 1;
  return (sorted[at - 1] + sorted[at]) / 2;
}

describe('fallback raises', () => {
  test('affine levels from 2 to 4, 8 and what is stored, each until it reaches the floor of its bits', async () => {
    const input = writeModel();
    const minCosine = { 2: 0.9, 4: 0.98, 8: 0.99994 };
    const report = await converted(input, 'out.safetensors', { bits: 2, minCosine, fallback: true });
    // The same by hand: all tensors with each number of bits.
    const byBits = new Map();
    for (const bits of [2, 4, 8]) {
      const uniform = await quantizer.quantizeFile(input, folder.path(`${bits}.safetensors`), { bits });
      byBits.set(bits, await cosinesOf(input, uniform));
    }
    const expected = kTensors.slice(0, -1).map(({ name, dtype }) => {
      const bits = [2, 4, 8].find((one) => byBits.get(one).get(name) >= minCosine[one]);
      return [name, bits === undefined ? dtype : `int${bits} g128`];
    });
    expect(typesOf(report)).toEqual({ ...Object.fromEntries(expected), bias: 'F32' });
    expect(new Set(expected.map(([, type]) => type)).size).toBe(3);
    expect(rulesOf(report)['wild.weight']).toMatch(/^minCosine 0\.9: int2 g128 gave 0\.\d+(, int\d g128 0\.\d+)*$/u);
    expect(rulesOf(report)['calm.weight']).toBeNull();
    expect(report.warnings).toEqual([]);
    // What was not raised, and what was, is what is made of it without a floor.
    const [own, two] = [report.output, folder.path('2.safetensors')].map((file) => readModel(readFileSync(file)));
    expect(own.tensors.get('calm.weight').bytes.equals(two.tensors.get('calm.weight').bytes)).toBe(true);
  });

  test.each(['Q3_K_S', 'Q4_0', 'IQ3_S'])('types of a GGUF that is %s, and llama.cpp opens it', async (type) => {
    const input = folder.write('in.gguf', ggufFile(tinyLlama({ layers: 2 })));
    const plain = await quantizer.quantizeFile(input, folder.path('plain.gguf'), { type });
    const before = await cosinesOf(input, plain);
    const floor = middleOf(before);
    const report = await converted(input, 'out.gguf', { type, minCosine: floor, fallback: true });
    const [was, is] = [typesOf(plain), typesOf(report)];
    for (const [name, cosine] of before) expect([name, was[name] !== is[name]]).toEqual([name, cosine < floor]);
    for (const cosine of (await cosinesOf(input, report)).values()) expect(cosine).toBeGreaterThanOrEqual(floor);
    const { keyValues, tensors } = readGguf(readFileSync(report.output));
    const said = readGguf(readFileSync(plain.output)).keyValues.get('general.file_type');
    expect(keyValues.get('general.file_type')).toBe(said);
    expect(Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor.type]))).toEqual(is);
    if (llama !== null) expect(llama.logits(report.output, [5, 9, 101]).every(Number.isFinite)).toBe(true);
  });

  test('up to the floats of the input', async () => {
    const input = folder.write('in.gguf', ggufFile(tinyLlama({ layers: 1, type: 'BF16' })));
    const report = await converted(input, 'out.gguf', { type: 'Q4_K_M', minCosine: 1, fallback: true });
    const raised = report.tensors.find(({ name }) => name === 'blk.0.attn_q.weight');
    expect([raised.to, raised.kept]).toEqual(['BF16', true]);
    expect(raised.rule).toMatch(/^minCosine 1: Q4_K gave 0\.\d+, Q5_K 0\.\d+, Q6_K 0\.\d+, Q8_0 0\.\d+$/u);
  });

  test('rows that fill no blocks of 256 to types of 32', async () => {
    const tensors = [halfTensor('blk.0.ffn_up.weight', [64, 96], 4)];
    const input = folder.write('in.safetensors', modelFile(tensors));
    const asked = { type: 'Q4_K_M', architecture: 'none', minCosine: 0.9995, fallback: true };
    const report = await converted(input, 'out.gguf', asked);
    expect(typesOf(report)).toEqual({ 'blk.0.ffn_up.weight': 'Q8_0' });
    expect(rulesOf(report)['blk.0.ffn_up.weight']).toMatch(/: Q5_0 gave 0\.\d+, Q5_1 0\.\d+$/u);
  });

  test('past a type that cannot hold the weights', async () => {
    const values = spikes(64 * 256, 1, 3).map((value) => value * 3e5);
    const input = folder.write('in.safetensors', modelFile([fromFloats('layer.weight', 'F32', [64, 256], values)]));
    const asked = { type: 'Q4_K_M', architecture: 'none', minCosine: 1, fallback: true };
    const report = await converted(input, 'out.gguf', asked);
    expect(report.tensors[0]).toMatchObject({ to: 'F32', kept: true });
  });

  test.each([0.999, { 8: 0.9 }])('past types whose scales cannot be as large, with minCosine %j', async (minCosine) => {
    const large = spikes(64 * 256, 1, 3).map((value) => value * 1e8);
    const huge = spikes(1100 * 1024, 1, 4).map((value) => value * 1e30);
    const tensors = [
      fromFloats('large.weight', 'F32', [64, 256], large),
      fromFloats('huge.weight', 'F32', [1100, 1024], huge),
    ];
    const input = folder.write('in.safetensors', modelFile(tensors));
    const asked = { type: 'Q4_K_M', architecture: 'none' };
    await expect(quantizer.plan(input, { ...asked, minCosine })).rejects.toMatchObject({ code: 'scale_overflow' });
    const report = await converted(input, 'out.gguf', { ...asked, minCosine, fallback: true });
    expect(typesOf(report)['huge.weight']).toBe('F32');
    for (const rule of Object.values(rulesOf(report)))
      expect(rule).toMatch(
        minCosine === 0.999 ? /^minCosine 0\.999: Q4_K gave scale_overflow/u : /^fallback: Q4_K gave scale_overflow/u,
      );
    expect(report.warnings).toEqual([]);
    // Where a rule says so there is no finer type.
    const ruled = quantizer.plan(input, { ...asked, minCosine, fallback: true, rules: [['huge', 'Q4_K']] });
    await expect(ruled).rejects.toMatchObject({ code: 'scale_overflow', layer: 'huge.weight' });
  });

  test('with one scale for a tensor that takes several windows', async () => {
    const input = folder.write('in.safetensors', modelFile([kTensors[2]]));
    const asked = { bits: 4, groupSize: 'tensor', minCosine: 0.98, fallback: true };
    const report = await converted(input, 'out.safetensors', asked);
    expect(report.tensors[0].to).toBe('int8 tensor');
    expect([...(await cosinesOf(input, report)).values()][0]).toBeGreaterThan(0.98);
  });

  test('with importance for the types that use it', async () => {
    const input = folder.write('in.gguf', ggufFile(tinyLlama({ layers: 1 })));
    const imatrix = folder.write('imatrix.gguf', imatrixGguf(seededEntries(readGguf(readFileSync(input)))));
    const asked = { type: 'Q4_K_M', imatrix, minCosine: 0.999, fallback: true };
    const report = await converted(input, 'out.gguf', asked);
    expect(typesOf(report)['blk.0.attn_q.weight']).toBe('Q5_K');
    const rules = [['attn_q', 'Q5_K']];
    const typed = await quantizer.quantizeFile(input, folder.path('typed.gguf'), { type: 'Q4_K_M', imatrix, rules });
    const [left, right] = [report, typed].map(({ output }) => readGguf(readFileSync(output)).tensors);
    const bytesOf = (tensors) => tensors.find(({ name }) => name === 'blk.0.attn_q.weight').bytes;
    expect(bytesOf(left).equals(bytesOf(right))).toBe(true);
  });
});

test('what a checkpoint becomes is what its GGUF becomes', async () => {
  const [wide] = kWideCheckpoints;
  const { input, options } = writeWide(wide, folder.path('model'));
  const between = folder.path('between.gguf');
  await quantizer.quantizeFile(input, between, { ...options, type: 'F16' });
  const asked = { type: 'Q4_K_M', minCosine: 0.9979, fallback: true };
  const twice = await quantizer.quantizeFile(between, folder.path('twice.gguf'), asked);
  const once = await converted(input, 'once.gguf', { ...options, ...asked, via: 'F16' });
  expect(readFileSync(once.output).equals(readFileSync(twice.output))).toBe(true);
  expect(once.tensors.some(({ rule }) => rule?.startsWith('minCosine 0.9979'))).toBe(true);
});

describe('without fallback', () => {
  test('what is below is told, and made all the same', async () => {
    const input = writeModel();
    const plain = await quantizer.quantizeFile(input, folder.path('plain.safetensors'), { bits: 2 });
    const report = await converted(input, 'out.safetensors', { bits: 2, minCosine: 'local' });
    expect(readFileSync(report.output).equals(readFileSync(plain.output))).toBe(true);
    const below = [...(await cosinesOf(input, plain))].filter(([, cosine]) => cosine < 0.85).map(([name]) => name);
    expect(below.length).toBeGreaterThan(0);
    expect(report.warnings.map(({ code }) => code)).toEqual(['below_min_cosine']);
    for (const name of below) expect(report.warnings[0].message).toContain(`"${name}" (int2 g128: 0.`);
    expect(report.warnings[0].message).not.toContain('calm');
  });

  test('failFast rejects before anything is written', async () => {
    const input = writeModel();
    const options = { bits: 2, minCosine: 0.85, failFast: true };
    const failure = { code: 'below_min_cosine', layer: 'wild.weight', file: input };
    await expect(quantizer.plan(input, options)).rejects.toMatchObject(failure);
    await expect(quantizer.quantizeFile(input, folder.path('out.safetensors'), options)).rejects.toMatchObject(failure);
    expect(folder.list()).toEqual(['in.safetensors']);
    await expect(quantizer.plan(input, { ...options, fallback: true })).resolves.toMatchObject({ warnings: [] });
  });
});

test('false is as if it were not there, for other formats, too', async () => {
  const input = folder.write('in.safetensors', modelFile([halfTensor('model.up.weight', [64, 128], 4)]));
  for (const options of [{ format: 'onnx', type: 'q4' }, { format: 'onnx' }]) {
    const refusal = await quantizer.plan(input, options).catch((error) => error);
    const withFalse = quantizer.plan(input, { ...options, fallback: false, failFast: false });
    const outcome = await withFalse.catch((error) => error);
    expect(outcome).toEqual(refusal);
  }
});

describe('one part of an output', () => {
  const kNames = ['a', 'b', 'c', 'd'].map((name) => `${name}.weight`);
  const options = { bits: 2, splitSize: 1e6, minCosine: 0.99 };
  const writeParts = () =>
    folder.write('in.safetensors', modelFile(kNames.map((name) => spiky(name, [1536, 1024], 4, 'F16'))));

  test('measures its own tensors, and tells of those', async () => {
    const input = writeParts();
    const whole = await quantizer.quantizeFile(input, folder.path('whole.safetensors'), options);
    const { parts } = (await quantizer.plan(input, options)).output;
    expect(parts.length).toBeGreaterThan(1);
    for (const [index, { tensors }] of parts.entries()) {
      const measured = [];
      const report = await quantizer.quantizeFile(input, folder.path('out.safetensors'), {
        ...{ ...options, part: index + 1 },
        onEvent: ({ type, tensor, tensors: count }) => type === 'measure' && measured.push([tensor, count]),
      });
      expect(measured.map(([name]) => name).sort()).toEqual([...tensors].sort());
      expect(measured[0][1]).toBe(tensors.length);
      const [{ code, message }] = report.warnings;
      expect(code).toBe('below_min_cosine');
      for (const name of kNames) expect(message.includes(name)).toBe(tensors.includes(name));
      expect(readFileSync(report.files[0]).equals(readFileSync(whole.files[index]))).toBe(true);
    }
  });

  test('measures all where types follow from that', async () => {
    const input = writeParts();
    const measured = [];
    await quantizer.quantizeFile(input, folder.path('out.safetensors'), {
      ...{ ...options, fallback: true, part: 2 },
      onEvent: ({ type, tensor }) => type === 'measure' && measured.push(tensor),
    });
    expect(measured.sort()).toEqual(kNames);
  });
});

test('what rules say is not raised, and told; what they keep loses nothing', async () => {
  const input = writeModel();
  const rules = [
    ['wild\\.', 'Q4_0'],
    ['calm', 'keep'],
  ];
  const options = { type: 'Q8_0', architecture: 'none', rules, minCosine: 0.9995, fallback: true };
  const report = await converted(input, 'out.gguf', options);
  expect(typesOf(report)).toMatchObject({ 'wild.weight': 'Q4_0', 'calm.weight': 'F32', 'calm.large.weight': 'BF16' });
  expect(report.warnings).toEqual([
    { code: 'below_min_cosine', message: expect.stringContaining('"wild.weight" (Q4_0, rule wild\\.=Q4_0: 0.') },
  ]);
  const strict = quantizer.plan(input, { ...options, failFast: true });
  await expect(strict).rejects.toThrow('rule wild\\.=Q4_0 says so');
});

describe('layerBits', () => {
  test.each([
    ['a Map', new Map([['wild.weight', 8]])],
    ['an object', { 'wild.weight': 8 }],
    [
      'patterns',
      [
        [/wild\./u, 8],
        ['wild', 2],
      ],
    ],
    ['a whole name', [['=wild.weight', 8]]],
  ])('fixes the bits of some tensors, by %s', async (_, layerBits) => {
    const input = writeModel();
    const report = await converted(input, 'out.safetensors', { bits: 2, layerBits });
    expect(typesOf(report)).toMatchObject({ 'wild.weight': 'int8 g128', 'calm.weight': 'int2 g128', bias: 'F32' });
    expect(rulesOf(report)['wild.weight']).toBe('layerBits=8');
    const all = await quantizer.quantizeFile(input, folder.path('all.safetensors'), { bits: 8 });
    const [own, eight] = [report, all].map(({ output }) => readModel(readFileSync(output)).tensors.get('wild.weight'));
    expect(own.bytes.equals(eight.bytes)).toBe(true);
  });

  test('comes after rules, is not raised, and says what it misses', async () => {
    const asked = { bits: 4, rules: [['calm\\.weight', 'keep']], minCosine: 0.98, fallback: true };
    const layerBits = { 'calm.weight': 8, 'wild.weight': 2, 'no.weight': 4 };
    const report = await converted(writeModel(), 'out.safetensors', { ...asked, layerBits });
    expect(typesOf(report)).toMatchObject({
      'calm.weight': 'F32',
      'wild.weight': 'int2 g128',
      'wilder.weight': 'int8 g128',
    });
    expect(report.warnings).toEqual([
      { code: 'rule_without_match', message: 'layerBits has "no.weight", but there is no layer of that name' },
      { code: 'below_min_cosine', message: expect.stringContaining('"wild.weight" (int2 g128, layerBits=2: 0.') },
    ]);
  });

  test('is read when the call is made', async () => {
    const layerBits = new Map([['wild.weight', 8]]);
    const minCosine = { 2: 0.5 };
    const planned = quantizer.plan(writeModel(), { bits: 2, layerBits, minCosine, fallback: true });
    layerBits.clear();
    minCosine[2] = 1;
    const types = typesOf(await planned);
    expect(types).toMatchObject({ 'wild.weight': 'int8 g128', 'calm.weight': 'int2 g128' });
  });

  test.each([
    [{ type: 'Q4_K_M' }, 'layerBits has no meaning, because the output is a GGUF'],
    [{ type: 'F16', container: 'safetensors' }, 'layerBits has no meaning, because the output is F16; give types'],
    [{ layerBits: { a: 3 } }, 'layerBits of "a" is 3, must be 2, 4 or 8'],
    [{ format: 'mlx' }, 'layerBits has no meaning'],
  ])('has no place with %j', async (options, message) => {
    const planned = quantizer.plan(writeModel(), { layerBits: { a: 8 }, ...options });
    await expect(planned).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringContaining(message) });
  });
});

test('one of the options alone has the floor of the profile, or that of the bits', async () => {
  const input = writeModel();
  const ruleOf = async (options, by = quantizer) => {
    const { tensors } = await by.plan(input, { bits: 2, groupSize: 128, fallback: true, ...options });
    return tensors.find(({ name }) => name === 'wild.weight').rule;
  };
  expect(await ruleOf({})).toMatch(/^minCosine 0\.7: int2 g128 gave 0\.6\d+$/u);
  expect(await ruleOf({ profile: 'edge' })).toBeNull();
  expect(await ruleOf({ profile: 'cloud' })).toMatch(/^minCosine 0\.95: /u);
  const cloud = await ArrowQuant.create({ profile: 'cloud', threads: 1 });
  expect(await ruleOf({}, cloud)).toMatch(/^minCosine 0\.95: /u);
  await cloud.dispose();
});

test.each(['workers', 'single'])('the backend %s finds the same', async (backend) => {
  const input = writeModel();
  const options = { bits: 2, minCosine: { 2: 0.9, 4: 0.98, 8: 0.99994 }, fallback: true };
  const expected = await quantizer.quantizeFile(input, folder.path('one.safetensors'), options);
  const other = await ArrowQuant.create({ backend, threads: 2 });
  const found = await other.quantizeFile(input, folder.path('two.safetensors'), options);
  await other.dispose();
  expect(found.tensors).toEqual(expected.tensors);
  expect(readFileSync(found.output).equals(readFileSync(expected.output))).toBe(true);
});

test('progress is told once per tensor, and what is measured before', async () => {
  const events = [];
  const progress = [];
  await quantizer.quantizeFile(writeModel(), folder.path('out.safetensors'), {
    ...{ bits: 2, fallback: true },
    progress: (tensor, done) => progress.push([tensor, done]),
    onEvent: ({ type, done, tensors }) => type !== 'bytes' && events.push([type, done, tensors]),
  });
  expect(events.slice(0, 5)).toEqual([...[1, 2, 3, 4].map((done) => ['measure', done, 4]), ['start', undefined, 5]]);
  expect(progress.map(([, done]) => done)).toEqual([0.2, 0.4, 0.6, 0.8, 1]);
  expect(new Set(progress.map(([tensor]) => tensor)).size).toBe(5);
});

describe('is refused', () => {
  test.each([
    [{ type: 'F16', minCosine: 0.9 }, 'in.gguf', 'minCosine has no meaning, because type F16 quantizes nothing'],
    [{ type: 'COPY', fallback: true }, 'in.gguf', 'fallback has no meaning, because type COPY quantizes nothing'],
    [{ type: 'Q4_K_M', pure: true, fallback: true }, 'in.gguf', 'pure gives all tensors the same type'],
    [{ type: 'F16', container: 'safetensors', failFast: true }, 'in.gguf', 'failFast has no meaning'],
    [{ format: 'mlx', minCosine: 0.9 }, 'in.gguf', 'minCosine has no meaning, because the output is a model for MLX'],
    [{ type: 'q4', format: 'onnx', fallback: true }, 'in.gguf', 'fallback has no meaning, because the output is'],
    [{ bits: 4, minCosine: 1.5 }, 'in.gguf', 'minCosine is 1.5'],
    [{ bits: 4, minCosin: 0.5 }, 'in.gguf', 'did you mean "minCosine"?'],
  ])('%j', async (options, name, message) => {
    const input = folder.write(name, ggufFile(tinyLlama({ layers: 1 })));
    const planned = quantizer.plan(input, options);
    await expect(planned).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringContaining(message) });
  });
});
