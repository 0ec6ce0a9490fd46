import { readFileSync, statSync } from 'node:fs';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { FILE_TYPE_NUMBERS, openLlamaModels } from '../../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama } from '../../../peers/tiny-llama.mjs';
import { kWideCheckpoints, writeWide } from '../../checkpoints/support/checkpoint.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { diffusionModel } from '../../support/models/diffusion-models.mjs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from '../../support/models/safetensors.mjs';
import { relativeErrorOf, restoredPairs } from './support.mjs';

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const typesOf = ({ tensors }) => new Map(tensors.map(({ name, to }) => [name, to]));
const writeLlama = (options) => folder.write('in.gguf', ggufFile(tinyLlama({ layers: 2, ...options })));
const writeModel = () =>
  folder.write(
    'in.safetensors',
    modelFile([
      float32Tensor('a.weight', [64, 256], 1),
      halfTensor('b.weight', [100, 320], 2),
      bfloatTensor('large.weight', [1100, 1024], 3),
      float32Tensor('bias', [64]),
    ]),
  );

const sizeOf = (files) => sum(files.map((file) => statSync(file).size));

/** Writes what a plan has said before, of no more than these bytes. */
async function converted(input, sink, options) {
  const plan = await quantizer.plan(input, { container: /\w+$/u.exec(sink)[0], ...options });
  const report = await quantizer.quantizeFile(input, folder.path(sink), options);
  expect([...typesOf(report)].sort()).toEqual([...typesOf(plan)].sort());
  expect(sizeOf(report.files)).toBe(plan.output.bytes);
  expect(plan.output.bytes).toBeLessThanOrEqual(options.targetBytes ?? Infinity);
  return report;
}

/** Sum of what tensors lost, each by its own energy; measured here. */
async function lossOf(input, report) {
  const pairs = await restoredPairs(quantizer, input, report);
  return sum([...pairs.values()].map(([original, restored]) => relativeErrorOf(original, restored)));
}

/** The smallest output, as the refusal of an impossible size names it. */
async function smallestOf(input, options) {
  const refusal = await quantizer.plan(input, { ...options, targetBytes: 1 }).catch((error) => error);
  expect(refusal).toMatchObject({ code: 'invalid_option' });
  return Number(/has (\d+) bytes/u.exec(refusal.message)[1]);
}

describe.each([
  ['affine levels', 'safetensors', {}],
  ['types of a GGUF', 'gguf', { type: 'Q4_K_M' }],
])('%s', (_, extension, options) => {
  const write = () => (extension === 'gguf' ? writeLlama() : writeModel());
  const sink = `out.${extension}`;

  test('the size is kept to, the more bytes the less is lost, and no less than the smallest size is possible', async () => {
    const input = write();
    const smallest = await smallestOf(input, options);
    const least = await converted(input, sink, { ...options, targetBytes: smallest });
    expect(sizeOf(least.files)).toBe(smallest);
    let before = await lossOf(input, least);
    for (const factor of [1.07, 1.5, 2.2, 3.6, 20]) {
      const targetBytes = Math.floor(smallest * factor);
      const report = await converted(input, sink, { ...options, targetBytes });
      const loss = await lossOf(input, report);
      expect(loss).toBeLessThanOrEqual(before);
      before = loss;
    }
    // All of it fits as it is.
    expect(before).toBe(0);
    const refused = quantizer.quantizeFile(input, folder.path(`no.${extension}`), { ...options, targetBytes: 9 });
    await expect(refused).rejects.toThrow('targetBytes is 9, but the smallest possible output');
    expect(folder.list()).not.toContain(`no.${extension}`);
  });
});

test.each(['Q2_K', 'Q3_K_M', 'Q4_K_M', 'Q5_K_S', 'Q6_K', 'Q4_0', 'IQ4_XS'])(
  'no more is lost than by %s at the same size, and llama.cpp opens it',
  async (type) => {
    const input = writeLlama();
    const uniform = await quantizer.quantizeFile(input, folder.path('uniform.gguf'), { type });
    const targetBytes = statSync(uniform.output).size;
    const report = await converted(input, 'out.gguf', { type, targetBytes });
    expect(await lossOf(input, report)).toBeLessThanOrEqual(await lossOf(input, uniform));
    if (llama !== null) expect(llama.logits(report.output, [5, 9, 101]).every(Number.isFinite)).toBe(true);
  },
);

test('a GGUF says the type that most tensors have, and each tensor why it has another one', async () => {
  const input = writeLlama();
  const smallest = await smallestOf(input, { type: 'Q4_K_M' });
  const report = await converted(input, 'out.gguf', { type: 'Q4_K_M', targetBytes: smallest });
  expect(readGguf(readFileSync(report.output)).keyValues.get('general.file_type')).toBe(FILE_TYPE_NUMBERS.Q2_K);
  const queries = report.tensors.find(({ name }) => name === 'blk.0.attn_q.weight');
  expect(queries).toMatchObject({ to: 'Q2_K', rule: 'targetBytes: Q2_K instead of Q4_K' });
  expect(report.type).toBe('Q4_K_M');
});

test('rules stay, and what they take is not there for others', async () => {
  const input = writeLlama();
  const rules = [
    ['attn_q', 'Q8_0'],
    ['token_embd', 'keep'],
  ];
  const smallest = await smallestOf(input, { type: 'Q4_K_M', rules });
  const report = await converted(input, 'out.gguf', { type: 'Q4_K_M', rules, targetBytes: smallest });
  const types = typesOf(report);
  expect(types.get('blk.0.attn_q.weight')).toBe('Q8_0');
  expect(types.get('token_embd.weight')).toBe('F16');
  expect(types.get('blk.0.attn_k.weight')).toBe('Q2_K');
});

test('rows that fill no blocks of 256 have types of 32, and programs the types that they decode', async () => {
  const input = folder.write(
    'in.safetensors',
    modelFile([halfTensor('ffn.up.weight', [64, 96]), halfTensor('ffn.down.weight', [64, 256])]),
  );
  const asked = { type: 'Q8_0', architecture: 'none' };
  const least = await converted(input, 'out.gguf', { ...asked, targetBytes: await smallestOf(input, asked) });
  expect([...typesOf(least)]).toEqual([
    ['ffn.down.weight', 'Q2_K'],
    ['ffn.up.weight', 'Q4_0'],
  ]);
  const diffusion = folder.write('flux.safetensors', modelFile(diffusionModel('flux')));
  const coarse = { type: 'IQ4_XS', effort: 'better' };
  const { tensors } = await converted(diffusion, 'flux.gguf', {
    ...coarse,
    targetBytes: await smallestOf(diffusion, coarse),
  });
  expect(tensors.map(({ to }) => to).filter((type) => type.startsWith('IQ'))).toContain('IQ4_XS');
  expect(tensors.map(({ to }) => to).filter((type) => /^IQ[123]/u.test(type))).toEqual([]);
});

test('all files of a split output count together', async () => {
  const input = writeLlama();
  const targetBytes = 700_000;
  const asked = { type: 'Q4_K_M', splitSize: 1e6, targetBytes: 2_100_000 };
  const split = await converted(input, 'split.gguf', asked);
  expect(split.files.length).toBeGreaterThan(1);
  const shards = await quantizer.quantizeFile(writeModel(), folder.path('out.safetensors'), {
    ...{ targetBytes: 1_300_000, splitSize: 1e6 },
  });
  const index = folder.list().filter((name) => name.startsWith('out'));
  expect(sizeOf(index.map((name) => folder.path(name)))).toBeLessThanOrEqual(1_300_000);
  expect(shards.files.length).toBeGreaterThan(2);
  const whole = await converted(input, 'whole.gguf', { type: 'Q4_K_M', targetBytes });
  expect(whole.files).toHaveLength(1);
});

test('with a floor its types come first, and a size that it does not allow is refused', async () => {
  const input = writeLlama();
  const options = { type: 'Q4_K_M', minCosine: 0.985 };
  const refusal = await quantizer.plan(input, { ...options, targetBytes: 10 }).catch((error) => error);
  expect(refusal.message).toMatch(/targetBytes is 10, but with that minCosine the smallest possible output/u);
  const smallest = Number(/has (\d+) bytes/u.exec(refusal.message)[1]);
  expect(smallest).toBeGreaterThan(await smallestOf(input, { type: 'Q4_K_M' }));
  const report = await converted(input, 'out.gguf', { ...options, targetBytes: smallest });
  for (const { cosine } of report.tensors) if (cosine !== null) expect(cosine).toBeGreaterThanOrEqual(0.985);
  expect(report.warnings).toEqual([]);
});

test('a checkpoint has the types that its GGUF has', async () => {
  const [wide] = kWideCheckpoints;
  const { input, options } = writeWide(wide, folder.path('model'));
  const between = folder.path('between.gguf');
  await quantizer.quantizeFile(input, between, { ...options, type: 'F16' });
  const targetBytes = Math.floor((await smallestOf(between, { type: 'Q4_K_M' })) * 1.4);
  const asked = { type: 'Q4_K_M', targetBytes };
  const twice = await converted(between, 'twice.gguf', asked);
  const once = await converted(input, 'once.gguf', { ...options, ...asked, via: 'F16' });
  expect(readFileSync(once.output).equals(readFileSync(twice.output))).toBe(true);
});

test('a stream takes no more either', async () => {
  const input = writeModel();
  const chunks = [];
  const stream = new WritableStream({ write: (chunk) => void chunks.push(Buffer.from(chunk)) });
  await quantizer.quantizeFile(input, stream, { targetBytes: 800_000 });
  expect(Buffer.concat(chunks).length).toBeLessThanOrEqual(800_000);
  expect(Buffer.concat(chunks).length).toBeGreaterThan(700_000);
});

test.each([
  [{ targetBytes: 0 }, 'targetBytes is 0'],
  [{ targetBytes: '3GB' }, 'targetBytes is "3GB"'],
  [{ targetBytes: 1e6, type: 'F16' }, 'targetBytes has no meaning, because type F16 quantizes nothing'],
  [{ targetBytes: 1e6, type: 'Q4_0', pure: true }, 'targetBytes has no meaning, because pure'],
  [{ targetBytes: 1e6, format: 'mlx' }, 'targetBytes has no meaning'],
])('%j is refused', async (options, message) => {
  const planned = quantizer.plan(writeModel(), options);
  await expect(planned).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringContaining(message) });
});
