import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FILE_TYPES } from 'arrowquant';
import { compareTensors, planTypes } from '../support/internals.mjs';
import { openLlamaModels } from '../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama, VOCABULARY } from '../../peers/tiny-llama.mjs';
import { LANGUAGE_MODELS, planInput } from './support/language-models.mjs';
import { hashOfTypes } from './support/types-hash.mjs';

const golden = JSON.parse(readFileSync(new URL('support/golden-types.json', import.meta.url), 'utf8'));
const llama = openLlamaModels();
const targets = FILE_TYPES;
const modes = [
  ['mixed', false],
  ['pure', true],
];

let folder;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-types-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** [name, type] of each tensor in llama.cpp's order, as we decide. */
function ourTypes(model, target, pure, rules) {
  const input = planInput(model);
  const typed = rules?.map(([name, type, isWholeName]) => ({
    ...{ name: `rule ${name.source}=${type}`, when: { name }, type, isWholeName },
  }));
  const { decisions } = planTypes({ ...input, target, pure, rules: typed });
  return input.tensors
    .map(({ name, dtype }, i) => ({ name, type: decisions[i].kind === 'keep' ? dtype : decisions[i].type }))
    .sort(compareTensors)
    .map(({ name, type }) => [name, type]);
}

/** The same as llama.cpp decides; `prepared` is the model's file. */
function theirTypes(prepared, target, pure) {
  const output = path.join(folder, 'quantized.gguf');
  llama.quantize(prepared, output, { type: target, pure });
  return readGguf(readFileSync(output)).tensors.map(({ name, type }) => [name, type]);
}

function prepare(model) {
  const file = path.join(folder, 'model.gguf');
  writeFileSync(file, ggufFile(model));
  return file;
}

test('llama.cpp is there wherever it runs; elsewhere the golden hashes stand in for it', () => {
  expect(llama !== null).toBe(process.platform === 'linux' && process.arch === 'x64');
});

describe.each(Object.entries(LANGUAGE_MODELS))('%s', (name, model) => {
  test.each(modes)(
    "the types that llama.cpp's llama_model_quantize gave when the hashes were made, %s",
    (mode, pure) => {
      const hashes = targets.map((target) => [target, hashOfTypes(ourTypes(model, target, pure))]);
      expect(Object.fromEntries(hashes)).toEqual(golden[name][mode]);
    },
  );
});

describe.each(llama === null ? [] : Object.entries(LANGUAGE_MODELS))("beside llama.cpp's own: %s", (_, model) => {
  test.each(modes)("the same types in the same order as llama.cpp's llama_model_quantize, %s", (_mode, pure) => {
    const prepared = prepare(model);
    for (const target of targets) {
      expect({ target, types: ourTypes(model, target, pure) }).toEqual({
        target,
        types: theirTypes(prepared, target, pure),
      });
    }
  });
});

describe('a rule of the caller', () => {
  const model = LANGUAGE_MODELS['four query heads a key head'];
  const typesWith = (...rules) => new Map(ourTypes(model, 'Q4_K_M', false, rules));

  test('comes first; the first that matches decides', () => {
    const types = typesWith([/attn_v/u, 'Q8_0'], [/\.0\.attn/u, 'keep'], [/./u, 'Q5_K']);
    expect(types.get('blk.0.attn_v.weight')).toBe('Q8_0');
    expect(types.get('blk.0.attn_q.weight')).toBe('F16');
    expect(types.get('blk.1.attn_q.weight')).toBe('Q5_K');
  });

  test('gave biases and norms types that llama.cpp cannot compute with; their whole names are refused with such', () => {
    expect(typesWith([/norm/u, 'BF16']).get('output_norm.weight')).toBe('F32');
    expect(typesWith([/^output_norm\.weight$/u, 'F32', true]).get('output_norm.weight')).toBe('F32');
    expect(() => typesWith([/^output_norm\.weight$/u, 'BF16', true])).toThrow(
      'makes BF16 of "output_norm.weight", which llama.cpp computes with as F32 alone',
    );
  });

  test('takes its tensors out of the count that the others go by, as in llama.cpp', () => {
    const without = ourTypes(model, 'Q3_K_M', false).filter(([, type]) => type === 'Q5_K');
    expect(without.map(([name]) => name)).toEqual(['blk.0.attn_v.weight', 'blk.1.attn_v.weight']);
    const kept = ourTypes(model, 'Q3_K_M', false, [[/\.0\.attn_v/u, 'keep']]).filter(([, type]) => type === 'Q5_K');
    expect(kept.map(([name]) => name)).toEqual(['blk.1.attn_v.weight', 'blk.2.attn_v.weight']);
  });

  test('whose type rows do not fit gives what llama.cpp falls back to', () => {
    const narrow = LANGUAGE_MODELS['rows of blocks of 32'];
    const types = new Map(ourTypes(narrow, 'Q8_0', false, [[/attn_v/u, 'Q4_K']]));
    expect(types.get('blk.0.attn_v.weight')).toBe('Q5_0');
  });

  test('names no tensor by chance that has no floats, and is refused for one that it names', () => {
    const names = LANGUAGE_MODELS['names of all kinds'];
    expect(() => ourTypes(names, 'Q8_0', false, [[/counts/u, 'F16']])).not.toThrow();
    const { name } = names.tensors.find((tensor) => tensor.name.includes('counts'));
    expect(() => ourTypes(names, 'Q8_0', false, [[new RegExp(`^${name}$`, 'u'), 'F16', true]])).toThrow(
      /its elements are I32/u,
    );
  });
});

test('says why', () => {
  const input = planInput(LANGUAGE_MODELS['rows of blocks of 32']);
  const { decisions, architecture, notes } = planTypes({ ...input, target: 'Q4_K_M' });
  const rules = new Map(input.tensors.map(({ name }, i) => [name, decisions[i].rule]));
  expect(rules.get('output.weight')).toBe('output');
  expect(rules.get('output_norm.weight')).toBe('rank below 2');
  expect(rules.get('blk.0.attn_q.weight')).toBe('row of 288, no whole blocks of 256: Q5_0');
  expect([architecture, notes]).toEqual(['llama', []]);
  const wide = planInput(LANGUAGE_MODELS['70B']);
  const wideRules = planTypes({ ...wide, target: 'Q4_K_M' }).decisions.map(({ rule }) => rule);
  expect(new Set(wideRules)).toEqual(
    new Set(['output', 'matrix', 'rank below 2', 'attn_v: more bits', 'ffn_down: more bits']),
  );
});

test('quantized tensors are converted as well, those of the right type and those that cannot be decoded copied', () => {
  const shape = [2, 256];
  const tensors = ['Q4_K', 'Q6_K', 'MXFP4'].map((dtype, i) => ({
    name: `blk.${String(i)}.attn_q.weight`,
    dtype,
    shape,
    elements: 512,
  }));
  const { decisions } = planTypes({ tensors, target: 'Q6_K', hasFinalNames: true, architecture: 'llama' });
  expect(decisions.map(({ kind, type }) => [kind, type])).toEqual([
    ['convert', 'Q6_K'],
    ['keep', undefined],
    ['keep', undefined],
  ]);
});

describe.each(
  llama === null
    ? []
    : [{ layers: 2 }, { layers: 2, tied: true, type: 'BF16' }, { layers: 1, experts: 8, hidden: 256 }],
)('a generated model %j', (options) => {
  test('runs in llama.cpp, whose own quantization changes its logits a little', () => {
    const prepared = prepare(tinyLlama(options));
    const output = path.join(folder, 'quantized.gguf');
    llama.quantize(prepared, output, { type: 'Q8_0', threads: 2 });
    const tokens = [1, 70, 71, 140];
    const [before, after] = [llama.logits(prepared, tokens), llama.logits(output, tokens)];
    expect(before.length).toBe(tokens.length * VOCABULARY);
    const energy = before.reduce((sum, logit) => sum + logit ** 2, 0);
    const noise = before.reduce((sum, logit, i) => sum + (logit - after[i]) ** 2, 0);
    expect(energy).toBeGreaterThan(1);
    expect(noise / energy).toBeGreaterThan(0);
    expect(noise / energy).toBeLessThan(0.01);
  });
});
