/** Pairs that a GGUF may get, held against what llama.cpp opens of its own files with the same ones. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { openLlamaModels } from '../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama, VOCABULARY } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ backend: 'single' });
});
afterAll(() => quantizer.dispose());

const kArrays = { experts: 4, hidden: 256, layers: 2, heads: 4, kvHeads: 2 };
const write = (model) => folder.write('in.gguf', ggufFile(model));
const copy = (source, keyValues, options) =>
  quantizer.quantizeFile(source, folder.path('out.gguf'), { type: 'COPY', keyValues, metrics: false, ...options });
const u32 = (value) => ({ type: 'u32', value });

/** The file that llama.cpp makes with an integer under a key, and what it computes with it. */
function theirLogits(source, key, value) {
  const file = folder.path('theirs.gguf');
  llama.quantize(source, file, { type: 'F16', copy: true, overrides: [[key, 'int', value]] });
  return llama.logits(file, [1, 5]);
}

describe('what contradicts the tensors', () => {
  test.each([
    ['block_count', 9, 'say 2; give that, or leave it out'],
    ['embedding_length', 512, 'say 256'],
    ['feed_forward_length', 96, 'say 512'],
    ['vocab_size', 100, `say ${VOCABULARY}`],
    ['attention.head_count', 3, 'the sizes of tensors follow from'],
    ['attention.head_count_kv', 8, 'say 2'],
    ['attention.key_length', 16, 'say 32'],
    ['attention.value_length', 16, 'say 32'],
    ['rope.dimension_count', 16, 'say 32'],
    ['nextn_predict_layers', 1, 'the sizes of tensors follow from'],
  ])('%s %i', async (name, value, why) => {
    const source = write(tinyLlama({ layers: 2 }));
    const key = `llama.${name}`;
    await expect(copy(source, { [key]: u32(value) })).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(new RegExp(`${key}.*${why}`, 'u')),
    });
    expect(folder.list()).toEqual(['in.gguf']);
  });

  test('is what llama.cpp does not open', () => {
    const source = llama === null ? null : write(tinyLlama({ layers: 2 }));
    for (const [name, value] of [
      ['block_count', 9],
      ['embedding_length', 512],
      ['feed_forward_length', 96],
      ['attention.head_count_kv', 8],
      ['attention.key_length', 16],
    ]) {
      if (llama !== null) expect(() => theirLogits(source, `llama.${name}`, value)).toThrow();
    }
  });

  test('of experts', async () => {
    const source = write(tinyLlama(kArrays));
    for (const [name, value, why] of [
      ['expert_count', 8, 'say 4'],
      ['feed_forward_length', 512, 'the sizes of tensors follow from'],
      ['expert_used_count', 5, "must be from 1 to 4, which are the model's experts"],
      ['expert_used_count', 0, 'must be from 1 to 4'],
    ]) {
      await expect(copy(source, { [`llama.${name}`]: u32(value) })).rejects.toThrow(why);
    }
    const dense = write(tinyLlama({ layers: 2 }));
    await expect(copy(dense, { 'llama.expert_used_count': u32(1) })).rejects.toThrow('the model has no experts');
  });
});

test.each([
  ['llama.context_length', u32(0), 'must be at least 1'],
  ['llama.pooling_type', u32(4), 'must be 0, 1, 2 or 3'],
  ['llama.rope.scaling.type', { type: 'string', value: 'cubic' }, 'must be none, linear, yarn, longrope'],
  ['llama.rope.freq_base', u32(10_000), 'the type u32, but llama.cpp reads f32; give one of that type'],
  ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: -1 }, 'must be at least 0'],
  ['tokenizer.ggml.pre', { type: 'string', value: 'mine' }, 'must be one of'],
  ['tokenizer.ggml.bos_token_id', u32(VOCABULARY), 'must be the id of a token of the vocabulary'],
  ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }, 'says of what kind the vocabulary is'],
  ['general.type', { type: 'string', value: 'adapter' }, 'says what the file is'],
  ['general.name', u32(1), 'the type u32, but llama.cpp reads string'],
])('llama.cpp does not take %s %j', async (key, value, why) => {
  await expect(copy(write(tinyLlama({ layers: 2 })), { [key]: value })).rejects.toThrow(why);
});

test('an array for the tokens has one value for each of them', async () => {
  const { keyValues, ...model } = tinyLlama({ layers: 2 });
  const source = write({ ...model, keyValues: keyValues.filter(([key]) => key !== 'tokenizer.ggml.scores') });
  const scores = (length) => ({ 'tokenizer.ggml.scores': { type: 'f32[]', value: Array(length).fill(0) } });
  await expect(copy(source, scores(3))).rejects.toThrow(`must be an array of ${VOCABULARY}, one for each token`);
  await copy(source, scores(VOCABULARY));
});

test('a file that says what its tensors are not can be mended, and what is right may be said again', async () => {
  const { keyValues, ...model } = tinyLlama({ layers: 2 });
  const wrong = keyValues.map(([key, type, value]) => [key, type, key === 'llama.block_count' ? 9 : value]);
  const source = write({ ...model, keyValues: wrong });
  const given = {
    'llama.block_count': u32(2),
    'llama.attention.head_count': u32(8),
    'tokenizer.ggml.model': { type: 'string', value: 'llama' },
  };
  const { output } = await copy(source, given);
  expect(readGguf(readFileSync(output)).keyValues.get('llama.block_count')).toBe(2);
  if (llama !== null) expect(() => llama.logits(output, [1])).not.toThrow();
});

test('of how a model is run anything may be said, and llama.cpp computes the same with it as with its own file', async () => {
  const source = write(tinyLlama(kArrays));
  for (const [name, value] of [
    ['expert_used_count', 1],
    ['context_length', 128],
    ['attention.sliding_window', 7],
  ]) {
    const { output } = await copy(source, { [`llama.${name}`]: u32(value) });
    if (llama !== null) expect(llama.logits(output, [1, 5])).toEqual(theirLogits(source, `llama.${name}`, value));
  }
});

test('where layers are left out, what is about layers may change with them', async () => {
  const { keyValues, ...model } = tinyLlama({ layers: 3 });
  const source = write({ ...model, keyValues: [...keyValues, ['llama.leading_dense_block_count', 'uint32', 1]] });
  const given = { 'llama.leading_dense_block_count': u32(0) };
  await expect(copy(source, given)).rejects.toThrow('the sizes of tensors follow from');
  const { output } = await copy(source, given, { pruneLayers: [0] });
  expect(readGguf(readFileSync(output)).keyValues.get('llama.leading_dense_block_count')).toBe(0);
});
