/** What llama-quantize does besides choosing types, held against llama.cpp's own files. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { openLlamaModels } from '../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama } from '../../peers/tiny-llama.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { modelFile } from '../support/models/safetensors.mjs';
import { digestOf } from '../support/models/gguf-models.mjs';

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const writeModel = (options, name = 'in.gguf') => folder.write(name, ggufFile(tinyLlama({ layers: 3, ...options })));
const convert = (source, sink, options) =>
  quantizer.quantizeFile(source, folder.path(sink), { type: 'Q8_0', metrics: false, ...options });

/** What a file holds: its pairs, in order, and of its tensors all. */
function contentsOf(file) {
  const { keyValues, tensors } = readGguf(readFileSync(file));
  return {
    keyValues: [...keyValues].map(([key, value]) => [key, typeof value === 'number' ? value : JSON.stringify(value)]),
    tensors: tensors.map(({ name, type, shape, bytes }) => [name, type, shape, digestOf(bytes)]),
  };
}

/** Has both make a file of the same model, and compares all of it. */
async function expectSame(input, ours, theirs) {
  const { output } = await convert(input, 'ours.gguf', ours);
  const expected = folder.path('theirs.gguf');
  llama.quantize(input, expected, { type: 'Q8_0', ...theirs });
  expect(contentsOf(output)).toEqual(contentsOf(expected));
  return readGguf(readFileSync(output));
}

const typesOf = ({ tensors }) => new Map(tensors.map(({ name, type }) => [name, type]));

if (llama !== null)
  describe("beside llama.cpp's own quantizer", () => {
    test('the output matrix stays as it is, or gets a type of its own', async () => {
      const input = writeModel();
      const left = await expectSame(input, { leaveOutput: true }, { leaveOutput: true });
      expect(typesOf(left).get('output.weight')).toBe('F16');
      const typed = await expectSame(input, { outputType: 'q4_0' }, { outputType: 'Q4_0' });
      expect(typesOf(typed).get('output.weight')).toBe('Q4_0');
    });

    test('embeddings get a type of their own; with them that of the output, where there is no other', async () => {
      const input = writeModel();
      const both = { embeddingType: 'Q5_0', outputType: 'Q6_K', type: 'Q4_K_M' };
      expect(typesOf(await expectSame(input, both, both)).get('token_embd.weight')).toBe('Q5_0');
      const tied = writeModel({ tied: true }, 'tied.gguf');
      const output = { outputType: 'Q5_K', type: 'Q4_0' };
      expect(typesOf(await expectSame(tied, output, output)).get('token_embd.weight')).toBe('Q5_K');
      await expect(convert(tied, 'ours.gguf', both)).rejects.toThrow('outputType has no meaning');
      await expectSame(input, { embeddingType: 'Q8_0', type: 'F32' }, { embeddingType: 'Q8_0', type: 'F32' });
    });

    test('a table of embeddings of blocks has the type of the others, unless a rule names it', async () => {
      const extra = [{ name: 'per_layer_token_embd.weight', type: 'F16', shape: [4, 256] }];
      const input = writeModel({ extra });
      const asked = { embeddingType: 'Q5_1', type: 'Q4_0' };
      await expectSame(input, asked, asked);
      const rules = [['per_layer', 'Q4_1']];
      const named = await expectSame(input, { ...asked, rules }, { ...asked, typeRules: rules });
      expect(typesOf(named).get('per_layer_token_embd.weight')).toBe('Q4_1');
    });

    test('layers are left out, and those behind them move up', async () => {
      const input = writeModel({ layers: 9 });
      for (const type of ['Q4_K_M', 'Q3_K_M']) {
        const left = await expectSame(input, { pruneLayers: [4, 0, 4, 8], type }, { prune: [0, 4, 8], type });
        expect(left.keyValues.get('llama.block_count')).toBe(6);
      }
      const experts = writeModel({ layers: 16, experts: 8, hidden: 256 }, 'experts.gguf');
      await expectSame(experts, { pruneLayers: [1, 2], type: 'Q5_K_M' }, { prune: [1, 2], type: 'Q5_K_M' });
    });

    test('pairs take the place of those that the file has, and are what types go by', async () => {
      const { keyValues: said, ...model } = tinyLlama({ layers: 3, kvHeads: 2 });
      // What its tensors are not: one that is right takes its place.
      const wrong = said.map(([key, type, value]) => [key, type, key.endsWith('head_count_kv') ? 8 : value]);
      const input = folder.write('in.gguf', ggufFile({ ...model, keyValues: wrong }));
      const keyValues = {
        'general.name': { type: 'string', value: 'mine' },
        'llama.attention.head_count_kv': { type: 'u32', value: 2 },
        'llama.rope.freq_base': { type: 'f32', value: 0.1 },
        'a.flag': { type: 'bool', value: true },
      };
      const overrides = [
        ['general.name', 'str', 'mine'],
        ['llama.attention.head_count_kv', 'int', 2],
        ['llama.rope.freq_base', 'float', 0.1],
        ['a.flag', 'bool', true],
      ];
      const made = await expectSame(input, { keyValues, type: 'Q2_K' }, { overrides, type: 'Q2_K' });
      expect(typesOf(made).get('blk.0.attn_v.weight')).toBe('Q4_K');
    });

    test('tensors are copied as they are, whatever they are', async () => {
      const input = writeModel({ type: 'BF16' });
      const copy = await expectSame(input, { type: 'COPY' }, { type: 'F32', copy: true });
      expect(copy.keyValues.get('general.file_type')).toBe(1);
      await convert(input, 'small.gguf', { type: 'Q4_K_M', pruneLayers: [1] });
      const small = folder.path('small.gguf');
      const again = await expectSame(
        small,
        { type: 'COPY', pruneLayers: [0] },
        { type: 'F32', copy: true, prune: [0] },
      );
      expect(typesOf(again).get('blk.0.attn_q.weight')).toBe('Q4_K');
    });

    test('the number of a copied file that has none is told by most of its tensors', async () => {
      for (const type of ['F16', 'BF16', 'F32']) {
        const { keyValues, ...model } = tinyLlama({ layers: 3, type });
        const without = keyValues.filter(([key]) => key !== 'general.file_type');
        const input = folder.write('in.gguf', ggufFile({ ...model, keyValues: without }));
        const copy = await expectSame(input, { type: 'COPY' }, { type: 'F32', copy: true });
        expect(copy.keyValues.get('general.file_type')).toBeGreaterThanOrEqual(1024);
      }
    });

    test('as many shards as the input has, each with the tensors of one', async () => {
      const { files } = await convert(writeModel({ layers: 6 }), 'shard.gguf', { type: 'F16', splitSize: 2e6 });
      expect(files.length).toBeGreaterThan(2);
      for (const [ours, theirs] of [
        [{ type: 'Q4_K_M' }, { type: 'Q4_K_M' }],
        [
          { type: 'COPY', pruneLayers: [2] },
          { type: 'F32', copy: true, prune: [2] },
        ],
      ]) {
        const made = await convert(files[1], 'ours.gguf', { ...ours, keepSplit: true });
        expect(made.files.length).toBe(files.length);
        llama.quantize(files[0], folder.path('theirs'), { ...theirs, keepSplit: true });
        for (const file of made.files) {
          const { keyValues, tensors } = contentsOf(file);
          const expected = contentsOf(file.replace(/ours-(?=[^/]*$)/u, 'theirs-'));
          expect(tensors).toEqual(expected.tensors);
          expect([...keyValues].sort()).toEqual([...expected.keyValues].sort());
        }
      }
    });
  });

describe('what cannot be asked', () => {
  const refusals = [
    [{ leaveOutput: true, outputType: 'Q8_0' }, 'outputType contradicts leaveOutput; leave one of them out'],
    [{ keepSplit: true, splitSize: 2e6 }, 'splitSize contradicts keepSplit; leave one of them out'],
    [{ type: 'COPY', outputType: 'Q8_0' }, 'outputType has no meaning for COPY; leave it out'],
    [{ outputType: 'Q9' }, 'outputType is "Q9"'],
    [{ pruneLayers: '1' }, 'pruneLayers is "1", must be an array of the numbers of layers'],
    [{ pruneLayers: [0, 1.5] }, 'pruneLayers[1] is 1.5'],
    [{ pruneLayers: [3] }, "pruneLayers has 3, but the model's layers are 0 to 2"],
    [{ pruneLayers: [0, 1, 2] }, 'pruneLayers has every layer, so that none is left; leave some'],
    [{ keyValues: { 'general.file_type': { type: 'u32', value: 1 } } }, 'follows from the weights and their types'],
    [
      { keyValues: { 'llama.block_count': { type: 'i32', value: 1 } } },
      'the type i32, but it is u32; give one of that type',
    ],
    [
      { pruneLayers: [1], keyValues: { 'llama.block_count': { type: 'u32', value: 2 } } },
      'keyValues must not have "llama.block_count", which follows from pruneLayers; leave it out',
    ],
    [
      { keyValues: { 'quantize.imatrix.file': { type: 'string', value: 'mine' } } },
      'keyValues must not have "quantize.imatrix.file", which follows from imatrix; leave it out',
    ],
    [{ keyValues: { 'arrowquant.effort': { type: 'string', value: 'best' } } }, 'keyValues must not have'],
    [{ via: 'F16' }, 'via has no meaning'],
  ];

  test.each(refusals)('%j', async (options, message) => {
    await expect(convert(writeModel(), 'out.gguf', options)).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
    expect(folder.list()).toEqual(['in.gguf']);
  });

  test('parts that the model does not have', async () => {
    const input = writeModel({ tied: true });
    await expect(convert(input, 'out.gguf', { leaveOutput: true })).rejects.toThrow(
      'leaveOutput has no meaning, because the model has no output.weight that it could be about; leave it out',
    );
    await expect(convert(input, 'out.gguf', { outputType: 'Q8_0', pure: true })).rejects.toThrow(
      'outputType has no meaning',
    );
  });

  test('a copy, or the shards, of what is no GGUF', async () => {
    const { output } = await convert(writeModel(), 'in.safetensors', { type: 'F16' });
    for (const options of [{ type: 'COPY' }, { keepSplit: true }]) {
      await expect(convert(output, 'out.gguf', { architecture: 'none', ...options })).rejects.toThrow('is no GGUF');
    }
  });
});

describe('too few bits without importance', () => {
  test.each([
    ['IQ3_XXS', 'blk.0.attn_k.weight'],
    ['IQ2_M', 'blk.0.attn_k.weight'],
    ['Q2_K_S', 'blk.0.attn_k.weight'],
  ])('%s is refused, as llama.cpp refuses it; with more effort all columns count the same', async (type, name) => {
    const input = writeModel({ layers: 1 });
    const why = 'give an importance matrix, more effort, or another type';
    await expect(convert(input, 'out.gguf', { type })).rejects.toMatchObject({
      code: 'invalid_option',
      layer: name,
      message: expect.stringContaining(why),
    });
    if (llama !== null) expect(() => llama.quantize(input, folder.path('theirs.gguf'), { type })).toThrow('imatrix');
    await convert(input, 'out.gguf', { type, effort: 'better' });
  });

  test('is no matter of embeddings and outputs, nor of Q2_K in other files', async () => {
    const parts = { embeddingType: 'IQ3_XXS', outputType: 'IQ3_XXS' };
    const input = writeModel({ layers: 1 });
    await convert(input, 'out.gguf', parts);
    await convert(input, 'out.gguf', { type: 'Q2_K' });
  });
});

test('types that programs for diffusion models do not decode are refused before anything is written', async () => {
  const input = folder.write('flux.safetensors', modelFile(diffusionModel('flux')));
  for (const options of [{ type: 'TQ2_0' }, { type: 'Q8_0', rules: [['img_attn', 'MXFP4']] }]) {
    for (const program of ['comfyui', 'sd.cpp']) {
      const made = convert(input, 'out.gguf', { ...options, for: program });
      await expect(made).rejects.toMatchObject({ code: 'invalid_option' });
      await expect(made).rejects.toThrow(/no program that runs diffusion models decodes (TQ2_0|MXFP4) fast enough/u);
    }
  }
  expect(folder.list()).toEqual(['flux.safetensors']);
});

test('one file stays one with keepSplit', async () => {
  const { files } = await convert(writeModel(), 'out.gguf', { keepSplit: true });
  expect(files).toEqual([folder.path('out.gguf')]);
});

test('arrays of a value for each layer lose those of the layers that are left out', async () => {
  const { keyValues, ...model } = tinyLlama({ layers: 3 });
  const sizes = ['llama.sizes', 'array', { type: 'int32', elements: [5, 6, 7] }];
  const other = ['other.sizes', 'array', { type: 'int32', elements: [5, 6, 7] }];
  const input = folder.write('in.gguf', ggufFile({ ...model, keyValues: [...keyValues, sizes, other] }));
  const { output } = await convert(input, 'out.gguf', { pruneLayers: [1] });
  const pairs = readGguf(readFileSync(output)).keyValues;
  expect([pairs.get('llama.sizes'), pairs.get('other.sizes')]).toEqual([
    [5, 7],
    [5, 6, 7],
  ]);
});
