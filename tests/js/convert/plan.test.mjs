import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, FILE_TYPES } from 'arrowquant';
import { NEEDS_IMPORTANCE } from '../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama } from '../../peers/tiny-llama.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { halfTensor, modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const writeLlama = (options = { layers: 2 }) => folder.write('in.gguf', ggufFile(tinyLlama(options)));
const writeDiffusion = (family, options) => folder.write('in.safetensors', modelFile(diffusionModel(family, options)));

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const byName = (a, b) => (a.name < b.name ? -1 : 1);

const without = (object, names) => Object.fromEntries(Object.entries(object).filter(([key]) => !names.includes(key)));

/** Everything but what only a conversion can know. */
function expectSamePlan(plan, report) {
  const measured = ['rmse', 'relativeRmse', 'cosine', 'maxError', 'savedError'];
  expect([...plan.tensors].sort(byName)).toEqual(report.tensors.map((tensor) => without(tensor, measured)));
  expect(plan.totals).toEqual(without(report.totals, ['seconds', 'bytesPerSecond', 'downloadedBytes']));
  for (const key of ['input', 'container', 'architecture', 'type', 'notes']) expect(plan[key]).toEqual(report[key]);
}

describe('is what quantizeFile then does, to the byte, and writes nothing', () => {
  test.each(FILE_TYPES)('a language model as %s', async (type) => {
    const input = writeLlama();
    const options = { type, effort: NEEDS_IMPORTANCE.includes(type) ? 'better' : 'reference' };
    const plan = await quantizer.plan(input, options);
    expect(folder.list()).toEqual(['in.gguf']);
    const output = folder.path('out.gguf');
    expectSamePlan(plan, await quantizer.quantizeFile(input, output, { ...options, metrics: false }));
    expect(plan.output).toEqual({ container: 'gguf', layout: 'plain', files: 1, bytes: statSync(output).size });
    // In the order of the file, with the sizes and shapes that are in it.
    const { tensors } = readGguf(readFileSync(output));
    expect(
      plan.tensors.map(({ outputName, outputShape, to, bytesAfter }) => [outputName, to, outputShape, bytesAfter]),
    ).toEqual(tensors.map(({ name, type: to, shape, bytes }) => [name, to, shape, bytes.length]));
    const weights = sum(plan.tensors.map(({ elements }) => elements));
    const bits = sum(tensors.map(({ bytes }) => bytes.length * 8)) / weights;
    expect(plan.totals).toMatchObject({ elements: weights, bitsPerWeight: bits });
    for (const { bitsPerWeight, bytesAfter, elements } of plan.tensors)
      expect(bitsPerWeight).toBe((bytesAfter * 8) / elements);
  });

  test.each(['flux', 'sdxl', 'sd3', 'wan', 'hidream'])('%s', async (family) => {
    const input = writeDiffusion(family, { prefix: 'model.diffusion_model.' });
    const plan = await quantizer.plan(input, { type: 'Q4_K_M' });
    expect([plan.architecture, plan.container, plan.type]).toEqual([family, 'safetensors', 'Q4_K_M']);
    expect(folder.list()).toEqual(['in.safetensors']);
    const output = folder.path('out.gguf');
    expectSamePlan(plan, await quantizer.quantizeFile(input, output, { type: 'Q4_K_M' }));
    expect(plan.output.bytes).toBe(statSync(output).size);
  });

  test('affine levels', async () => {
    const input = writeDiffusion('sdxl');
    const plan = await quantizer.plan(input, { bits: 4, groupSize: 64 });
    const output = folder.path('out.safetensors');
    expectSamePlan(plan, await quantizer.quantizeFile(input, output, { bits: 4, groupSize: 64 }));
    expect(plan.output).toEqual({ container: 'safetensors', layout: 'planes', files: 1, bytes: statSync(output).size });
    expect([plan.architecture, plan.type]).toEqual([null, 'int4 g64']);
  });

  test('a file that is split', async () => {
    const input = writeLlama({ layers: 4 });
    const options = { type: 'Q8_0', splitSize: 1e6, metrics: false };
    const plan = await quantizer.plan(input, options);
    const report = await quantizer.quantizeFile(input, folder.path('out.gguf'), options);
    expect(plan.output.files).toBeGreaterThan(2);
    expect(report.files).toHaveLength(plan.output.files);
    expect(sum(report.files.map((file) => statSync(file).size))).toBe(plan.output.bytes);
  });
});

describe('rules of the caller', () => {
  const typesWith = async (rules, type = 'Q4_K_M') => {
    const { tensors } = await quantizer.plan(writeLlama(), { type, rules });
    const of = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    return (name) => [of.get(name).to, of.get(name).rule, of.get(name).kept];
  };

  test('are patterns, their text, and conditions; the first that fits decides', async () => {
    const typeOf = await typesWith([
      [/attn_v/u, 'Q8_0'],
      ['^blk\\.0\\.attn', 'keep'],
      { name: 'embeddings of mine', when: { name: /token_embd/u } },
      [/^blk\.1\.ffn_(up|gate)/u, 'Q5_0'],
      ['blk', 'BF16'],
    ]);
    expect(typeOf('blk.0.attn_v.weight')).toEqual(['Q8_0', 'rule attn_v=Q8_0', false]);
    expect(typeOf('blk.0.attn_q.weight')).toEqual(['F16', 'rule ^blk\\.0\\.attn=keep', true]);
    expect(typeOf('token_embd.weight')).toEqual(['F16', 'embeddings of mine', true]);
    expect(typeOf('blk.1.ffn_up.weight')).toEqual(['Q5_0', 'rule ^blk\\.1\\.ffn_(up|gate)=Q5_0', false]);
    expect(typeOf('blk.1.ffn_down.weight')[0]).toBe('BF16');
    expect(typeOf('blk.1.attn_norm.weight')).toEqual(['F32', 'rank below 2', true]);
    expect(typeOf('output.weight')).toEqual(['Q6_K', 'output', false]);
  });

  test('of all kinds of conditions', async () => {
    const typeOf = await typesWith([
      { name: 'vectors', when: { rankBelow: 2 } },
      { name: 'small', when: { fewerElementsThan: 20_000 } },
      { name: 'last', when: { module: /^output$/u, parameter: /^weight$/u } },
    ]);
    expect(typeOf('output_norm.weight')).toEqual(['F32', 'vectors', true]);
    expect(typeOf('blk.0.attn_k.weight')).toEqual(['F16', 'small', true]);
    expect(typeOf('output.weight')).toEqual(['F16', 'last', true]);
    expect(typeOf('blk.0.attn_q.weight')[0]).toBe('Q4_K');
  });

  test('are followed by the conversion', async () => {
    const rules = [
      [/attn_v/u, 'Q8_0'],
      ['ffn_up', 'keep'],
    ];
    await quantizer.quantizeFile(writeLlama(), folder.path('out.gguf'), { type: 'Q2_K', rules, metrics: false });
    const types = readGguf(readFileSync(folder.path('out.gguf'))).tensors.map(({ name, type }) => [name, type]);
    const found = Object.fromEntries(types);
    expect([found['blk.1.attn_v.weight'], found['blk.1.ffn_up.weight']]).toEqual(['Q8_0', 'F16']);
  });

  test.each([
    ['an unknown type', [['small', 'Q9_9']], /rules\[0\]\[1\].*Q9_9/],
    ['a wrong pattern', [['(', 'Q8_0']], /rules\[0\]\[0\].*no regular expression/],
    ['no pair', [['small']], /rules\[0\].*pair/],
    ['no condition', [{ name: 'a', when: {} }], /rules\[0\]\.when has no condition/],
  ])('with %s are refused, by plan and conversion', async (_, rules, says) => {
    const input = folder.write('in.safetensors', modelFile([halfTensor('small.weight', [32, 96])]));
    await expect(quantizer.plan(input, { type: 'Q8_0', architecture: 'none', rules })).rejects.toThrow(says);
    const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'Q8_0', architecture: 'none', rules });
    await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test.each(['blk.0.attn_norm.weight', 'output_norm.weight'])(
    'that give %s another type than F32, with which llama.cpp ends itself, are refused',
    async (name) => {
      for (const type of ['F16', 'BF16', 'Q8_0']) {
        const options = { type: 'Q4_K_M', rules: [[`=${name}`, type]] };
        const call = quantizer.quantizeFile(writeLlama(), folder.path('out.gguf'), options);
        await expect(call).rejects.toMatchObject({ code: 'invalid_option', layer: name });
        await expect(call).rejects.toThrow('F32');
        expect(folder.list()).not.toContain('out.gguf');
      }
      const kept = await quantizer.plan(writeLlama(), { type: 'Q4_K_M', rules: [[`=${name}`, 'F32']] });
      expect(kept.tensors.find((tensor) => tensor.name === name).to).toBe('F32');
    },
  );

  test('whose type rows do not fit fall back as llama.cpp does, and say so', async () => {
    const input = folder.write('in.safetensors', modelFile([halfTensor('small.weight', [32, 96])]));
    const options = { type: 'Q8_0', architecture: 'none', rules: [['small', 'Q4_K']] };
    const { tensors, warnings } = await quantizer.plan(input, options);
    expect(tensors).toMatchObject([{ to: 'Q5_0', rule: 'rule small=Q4_K, row of 96, no whole blocks of 256: Q5_0' }]);
    expect(warnings).toEqual([
      { code: 'rows_fell_back', message: expect.stringMatching(/1 tensor to Q5_0 instead of Q4_K$/) },
    ]);
  });

  test('by a whole name are about that tensor alone, whatever it is', async () => {
    const input = folder.write(
      'in.safetensors',
      modelFile(['a.norm.weight', 'b.norm.weight'].map((name) => halfTensor(name, [32]))),
    );
    const typesBy = async (pattern) => {
      const options = { type: 'Q8_0', architecture: 'none', rules: [[pattern, 'F32']] };
      const { tensors } = await quantizer.plan(input, options);
      return tensors.map(({ to, rule }) => [to, rule]);
    };
    expect(await typesBy('=a.norm.weight')).toEqual([
      ['F32', 'rule =a.norm.weight=F32'],
      ['F16', 'norm'],
    ]);
    expect(await typesBy('=a.n.rm.weight')).toEqual([
      ['F16', 'norm'],
      ['F16', 'norm'],
    ]);
  });
});

describe('options', () => {
  test.each([
    [{ type: 'Q9_K' }, /type.*Q9_K/],
    [{ type: 'mxfp4', container: 'gguf' }, /MXFP4 is none of whole files; give MXFP4_MOE/],
    [{ type: 'NVFP4', container: 'gguf' }, /NVFP4 is none of whole files; give a rule/],
    [{ type: 'Q8_0', bits: 4 }, /bits has no meaning.*GGUF/],
    [{ type: 'Q8_0', groupSize: 32 }, /groupSize has no meaning.*GGUF/],
    [{ bits: 4, pure: true }, /pure has no meaning.*give a type/],
    [{ container: 'onnx' }, /container.*onnx.*safetensors/],
    [{ layout: 'dense' }, /layout.*dense.*planes/],
    [{ type: 'Q8_0', layout: 'planes', container: 'safetensors' }, /type Q8_0 needs .*\.gguf/],
    [{ type: 'F8_E4M3', container: 'safetensors' }, /F8_E4M3 can be read, but not written/],
    [{ type: 'F16', container: 'safetensors', mode: 'base' }, /mode has no meaning.*F16/],
    [{ groupSize: 'tensor', effort: 'best' }, /effort best has no meaning for int4 tensor/],
    [{ effort: 1 }, /effort is 1/],
    [{ type: 'Q8_0', splitSize: 1000 }, /splitSize.*1000/],
    [{ type: 'Q8_0', architecture: 'flex' }, /architecture.*flex/],
    [{ type: 'Q8_0', f16Overflow: 'ignore' }, /f16Overflow.*ignore/],
    [
      { bits: 4, rules: [['a', 'Q8_0']] },
      /gives a type that the output cannot hold: a safetensors file has no type Q8_0/,
    ],
  ])('%j are refused in a sentence', async (options, says) => {
    const input = writeDiffusion('flux');
    await expect(quantizer.plan(input, options)).rejects.toThrow(says);
    await expect(quantizer.plan(input, options)).rejects.toMatchObject({ code: 'invalid_option' });
  });

  test.each([
    ['a language model', 'model.layers.0.self_attn.q_proj.weight', /"flux" is not what it is: it is a language model/],
    ['a LoRA', 'lora_unet_blocks_0.lora_down.weight', /"flux" is not what it is: it is a LoRA/],
  ])('%s is no diffusion model, whatever the caller says', async (_, name, says) => {
    const input = folder.write('in.safetensors', modelFile([halfTensor(name, [32, 64])]));
    const options = { type: 'Q8_0', architecture: 'flux' };
    await expect(quantizer.plan(input, options)).rejects.toMatchObject({ code: 'unsupported_model' });
    await expect(quantizer.quantizeFile(input, folder.path('out.gguf'), options)).rejects.toThrow(says);
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('the architecture can be forced, and a wrong one is told', async () => {
    const input = writeDiffusion('flux');
    const { architecture, notes } = await quantizer.plan(input, { type: 'Q8_0', architecture: 'sd3' });
    expect([architecture, notes]).toEqual([
      'sd3',
      ['The tensors do not have the names that sd3 has: no program is known to open the file.'],
    ]);
  });

  test('a signal ends a plan', async () => {
    const call = quantizer.plan(writeDiffusion('flux'), { type: 'Q8_0', signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
  });
});
