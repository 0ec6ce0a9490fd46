import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FILE_TYPES } from 'arrowquant';
import { compareTensors, planTypes } from '../support/internals.mjs';
import { openLlamaModels } from '../../peers/llama-model.mjs';
import { ggufFile, tinyLlama, VOCABULARY } from '../../peers/tiny-llama.mjs';
import { LANGUAGE_MODELS, MODES, planInput, theirTypes } from './support/language-models.mjs';
import { hashOfTypes } from './support/types-hash.mjs';

const golden = JSON.parse(readFileSync(new URL('support/golden-types.json', import.meta.url), 'utf8'));
const llama = openLlamaModels();
const targets = FILE_TYPES;
const modes = Object.entries(MODES);

let folder;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-types-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** [name, type] of each tensor in llama.cpp's order, as we decide. */
function ourTypes(model, target, { rules, ...mode } = {}) {
  const input = planInput(model);
  const typed = rules?.map(([name, type, isWholeName]) => ({
    ...{ name: `rule ${name.source}=${type}`, when: { name }, type, isWholeName },
  }));
  const { decisions } = planTypes({ ...input, target, ...mode, rules: typed });
  return input.tensors
    .map(({ name, dtype }, i) => ({ name, type: decisions[i].kind === 'keep' ? dtype : decisions[i].type }))
    .sort(compareTensors)
    .map(({ name, type }) => [name, type]);
}

function prepare(model) {
  const file = path.join(folder, 'model.gguf');
  writeFileSync(file, ggufFile(model));
  return file;
}

test('llama.cpp is there wherever it runs; elsewhere the golden hashes stand in for it', () => {
  expect(llama !== null).toBe(process.platform === 'linux' && process.arch === 'x64');
});

const asText = (types) => types.map((pair) => pair.join(' ')).join('\n');

describe.each(Object.entries(LANGUAGE_MODELS))('%s', (name, model) => {
  const ours = new Map(modes.map(([label]) => [label, new Map()]));

  test.each(modes)(
    "the types that llama.cpp's llama_model_quantize gave when the hashes were made, %s",
    (label, mode) => {
      for (const target of targets) ours.get(label).set(target, ourTypes(model, target, mode));
      const expected = golden[name][label].split(', ').map((pair) => pair.split(' '));
      expect(expected.length).toBeGreaterThanOrEqual(targets.length - 1);
      const hashes = expected.map(([target]) => [target, hashOfTypes(ours.get(label).get(target)).toString(16)]);
      expect(hashes).toEqual(expected);
    },
  );

  test.each(llama === null ? [] : modes)('and that it gives here, in the same order, %s', (label, mode) => {
    const prepared = prepare(model);
    for (const [type, types] of ours.get(label)) {
      const theirs = theirTypes(llama, prepared, model, { type, ...mode });
      if (theirs === null) expect(type).toBe('Q1_0');
      // Of texts, the difference is found faster than of pairs.
      else expect(`${type}\n${asText(types)}`).toBe(`${type}\n${asText(theirs)}`);
    }
  });
});

test('rows that are no whole blocks of Q1_0, at which llama.cpp stops, become what those of Q2_0 become', () => {
  const model = LANGUAGE_MODELS['rows of blocks of 32'];
  expect(ourTypes(model, 'Q1_0', { pure: true })).toEqual(ourTypes(model, 'Q2_0', { pure: true }));
});

describe('a rule of the caller', () => {
  const model = LANGUAGE_MODELS['four query heads a key head'];
  const typesWith = (...rules) => new Map(ourTypes(model, 'Q4_K_M', { rules }));

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
    const without = ourTypes(model, 'Q3_K_M').filter(([, type]) => type === 'Q5_K');
    expect(without.map(([name]) => name)).toEqual(['blk.0.attn_v.weight', 'blk.1.attn_v.weight']);
    const kept = ourTypes(model, 'Q3_K_M', { rules: [[/\.0\.attn_v/u, 'keep']] }).filter(([, type]) => type === 'Q5_K');
    expect(kept.map(([name]) => name)).toEqual(['blk.1.attn_v.weight', 'blk.2.attn_v.weight']);
  });

  test('whose type rows do not fit gives what llama.cpp falls back to', () => {
    const narrow = LANGUAGE_MODELS['rows of blocks of 32'];
    const types = new Map(ourTypes(narrow, 'Q8_0', { rules: [[/attn_v/u, 'Q4_K']] }));
    expect(types.get('blk.0.attn_v.weight')).toBe('Q5_0');
  });

  test('names no tensor by chance that has no floats, and is refused for one that it names', () => {
    const names = LANGUAGE_MODELS['names of all kinds'];
    expect(() => ourTypes(names, 'Q8_0', { rules: [[/counts/u, 'F16']] })).not.toThrow();
    const { name } = names.tensors.find((tensor) => tensor.name.includes('counts'));
    expect(() => ourTypes(names, 'Q8_0', { rules: [[new RegExp(`^${name}$`, 'u'), 'F16', true]] })).toThrow(
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
  const tensors = ['Q4_K', 'Q6_K', 'Q8_K'].map((dtype, i) => ({
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
