import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Table, tableToIPC } from 'apache-arrow';
import { ArrowQuant } from 'arrowquant';
import { ggufFile, tinyLlama } from '../../peers/tiny-llama.mjs';
import { listColumn, nameColumn } from '../arrow/support/tables.mjs';
import { nearestNames } from '../support/internals.mjs';
import { runCommand } from '../cli/support/command.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const writeLlama = () => folder.write('in.gguf', ggufFile(tinyLlama({ layers: 2 })));
const writeSafetensors = () =>
  folder.write(
    'in.safetensors',
    modelFile([float32Tensor('block.attn_v.weight', [64, 64]), float32Tensor('norm.bias', [64])]),
  );

describe('a rule that matches no tensor', () => {
  const kMisspelt = [
    ['attm_v', 'Q8_0'],
    [/ffn_up/u, 'keep'],
  ];

  test('went unnoticed; it is told with the nearest names, by plan, report and the first event', async () => {
    const options = { type: 'Q4_0', rules: kMisspelt, metrics: false };
    const { warnings } = await quantizer.plan(writeLlama(), options);
    expect(warnings).toEqual([{ code: 'rule_without_match', message: expect.any(String) }]);
    expect(warnings[0].message).toMatch(/^the rule attm_v=Q8_0 matches no tensor; .* "blk\.\d\.attn_v\.weight"/u);
    const events = [];
    const onEvent = (event) => events.push(event);
    const report = await quantizer.quantizeFile(writeLlama(), folder.path('out.gguf'), { ...options, onEvent });
    expect(report.warnings).toEqual(warnings);
    expect(events[0]).toMatchObject({ type: 'start', warnings });
  });

  test('in affine output, by an object and by its conditions', async () => {
    const rules = [
      { name: 'mine', when: { name: /bloc.attn_v/u } },
      { name: 'small', when: { fewerElementsThan: 2 } },
      { name: 'vectors', when: { rankBelow: 2 } },
    ];
    const { warnings } = await quantizer.plan(writeSafetensors(), { rules });
    expect(warnings.map(({ message }) => message)).toEqual([
      'the rule "mine" matches no tensor; the nearest names are "block.attn_v.weight"',
      'the rule "small" matches no tensor',
    ]);
  });

  test('matches what the model is without its prefix', async () => {
    const name = 'model.diffusion_model.double_blocks.0.img_attn.proj.weight';
    const input = folder.write('in.safetensors', modelFile([float32Tensor(name, [64, 64])]));
    const rules = [['^double_blocks', 'keep']];
    expect((await quantizer.plan(input, { type: 'Q8_0', rules })).warnings).toEqual([]);
  });

  test('matches what is left out in any case; only "drop" can be meant for that', async () => {
    const checkpoint = diffusionModel('flux', { prefix: 'model.diffusion_model.' });
    const decoder = 'first_stage_model.decoder.conv_in.weight';
    const input = folder.write('in.safetensors', modelFile([...checkpoint, float32Tensor(decoder, [64, 64])]));
    for (const type of ['keep', 'Q4_0']) {
      const plan = await quantizer.plan(input, { type: 'Q8_0', rules: [['first_stage_model', type]] });
      expect(plan.dropped).toMatchObject([{ name: decoder, rule: 'not in model.diffusion_model.' }]);
      const says = `the rule first_stage_model=${type} has no effect: what it matches is no part of the output, such as "${decoder}"`;
      expect(plan.warnings).toEqual([{ code: 'rule_without_match', message: says }]);
    }
    for (const rule of [
      ['first_stage_model', 'drop'],
      ['conv_in|img_attn', 'Q4_0'],
    ]) {
      expect((await quantizer.plan(input, { type: 'Q8_0', rules: [rule] })).warnings).toEqual([]);
    }
  });

  test.each([
    ['attention.wq', ['layers.0.attention.wk.weight', 'layers.0.attention.wo.weight']],
    ['^blk\\.(\\d+)\\.ffn_dwn\\.weight$', ['blk.0.ffn_down.weight']],
    ['nothing like it', []],
    ['.*', []],
  ])('has names near to %s', (pattern, expected) => {
    const blocks = Array.from({ length: 3 }, (_, i) => [`layers.${i}.attention.wk.weight`, `blk.${i}.ffn_down.weight`]);
    const names = ['layers.0.attention.wo.weight', ...blocks.flat()];
    expect(nearestNames(new RegExp(pattern, 'u'), names).sort()).toEqual(expected);
  });

  test('is on stderr once, before the work, also with --quiet; JSON has it too', async () => {
    writeSafetensors();
    const parameters = ['quantize', 'in.safetensors', '--rule', 'atn_v=keep'];
    for (const more of [[], ['--quiet'], ['--json'], ['--dry-run'], ['--dry-run', '--json']]) {
      const { code, stdout, stderr } = await runCommand([...parameters, ...more], { cwd: folder.at });
      expect(code).toBe(0);
      expect(
        stderr.match(/^warning: the rule atn_v=keep matches no tensor; .*"block\.attn_v\.weight"$/gmu),
      ).toHaveLength(1);
      if (!more.includes('--json')) continue;
      expect(JSON.parse(stdout).warnings).toEqual([{ code: 'rule_without_match', message: expect.any(String) }]);
    }
  });
});

describe('rules as objects', () => {
  test.each([
    [[{ nmae: 'a', when: { rankBelow: 2 } }], /rules\[0\] has no key "nmae"; did you mean "name"\?/u],
    [[{ name: 'a', when: { rankBelow: 2 }, typ: 'drop' }], /rules\[0\] has no key "typ"; did you mean "type"\?/u],
    [[{ name: 'a', when: { rankbelow: 2 } }], /rules\[0\]\.when has no key "rankbelow"; did you mean "rankBelow"\?/u],
    [[{ name: 'a', when: { rankBelow: 2 }, type: 'dorp' }], /rules\[0\]\.type is "dorp", must be one of .*drop/u],
  ])('%j are refused', async (rules, says) => {
    const about = { code: 'invalid_option', message: expect.stringMatching(says) };
    for (const type of ['Q8_0', undefined]) {
      await expect(
        quantizer.plan(writeSafetensors(), { type, ...(type && { architecture: 'none' }), rules }),
      ).rejects.toMatchObject(about);
    }
  });

  test('give types, in any case, as pairs do', async () => {
    const rules = [{ name: 'mine', when: { module: /^attn_v$/u }, type: 'q5_1' }];
    const options = { type: 'Q8_0', architecture: 'none', rules };
    const { tensors } = await quantizer.plan(writeSafetensors(), options);
    expect(tensors.map(({ to, rule }) => [to, rule])).toContainEqual(['Q5_1', 'mine']);
  });
});

describe('quantizing what is quantized already', () => {
  test('lost precision twice without a word; it is told once for all tensors', async () => {
    const options = { metrics: false };
    const first = await quantizer.quantizeFile(writeLlama(), folder.path('q8.gguf'), { ...options, type: 'Q8_0' });
    expect(first.warnings).toEqual([]);
    const { warnings } = await quantizer.plan(folder.path('q8.gguf'), { type: 'Q4_0' });
    expect(warnings).toEqual([
      {
        code: 'quantized_again',
        message: expect.stringMatching(
          /^\d+ tensors are quantized already \(Q8_0\).*start from the unquantized model/u,
        ),
      },
    ]);
    for (const type of ['Q8_0', 'F16']) {
      expect((await quantizer.plan(folder.path('q8.gguf'), { type })).warnings).toEqual([]);
    }
  });
});

describe('a quantization of floats that all stay floats', () => {
  const vectors = (...names) => modelFile(names.map((name) => float32Tensor(name, [256])));
  const codesOf = async (input, options) => (await quantizer.plan(input, options)).warnings.map(({ code }) => code);
  const ids = { name: 'ids', dtype: 'I64', shape: [1], bytes: Buffer.alloc(8) };

  test('went unnoticed for a table without shapes; plan, report and command say why, and what to do', async () => {
    const table = new Table({
      layer_name: nameColumn(['l1', 'l2']),
      weights: listColumn([new Float32Array(256).fill(1), new Float32Array(256).fill(2)]),
    });
    const input = folder.write('flat.arrow', tableToIPC(table, 'file'));
    const { warnings } = await quantizer.plan(input, { bits: 4, mode: 'base', container: 'arrow' });
    const message =
      'nothing is quantized: all 2 tensors of floats stay such, first of all "l1" (rank below 2); write their shapes into ' +
      'the model, where these have more than one dimension, or give layerBits, such as "^l1$=4"';
    expect(warnings).toEqual([{ code: 'nothing_quantized', message }]);
    const { code, stderr } = await runCommand(
      ['quantize', 'flat.arrow', 'q.arrow', '--bits', '4', '--mode', 'base', '--quiet'],
      {
        cwd: folder.at,
      },
    );
    expect([code, stderr.trim()]).toEqual([0, `warning: ${message}`]);
    // The way out is one.
    expect(await codesOf(input, { bits: 4, container: 'arrow', layerBits: [['^l1$', 4]] })).toEqual([]);
  });

  test('in a GGUF, where a rule that is the whole name is the way out', async () => {
    const input = folder.write('in.safetensors', vectors('a.weight'));
    const options = { type: 'Q8_0', architecture: 'none' };
    const { warnings } = await quantizer.plan(input, options);
    expect(warnings).toEqual([{ code: 'nothing_quantized', message: expect.stringContaining('"=a.weight=Q8_0"') }]);
    expect(warnings[0].message).toMatch(/^nothing is quantized: the only tensor of floats stays one, "a.weight" \(/u);
    expect(await codesOf(input, { ...options, rules: [['=a.weight', 'Q8_0']] })).toEqual([]);
  });

  test('rows that fill no blocks have another way', async () => {
    const input = folder.write('in.safetensors', modelFile([float32Tensor('a.weight', [64, 33])]));
    const { warnings } = await quantizer.plan(input, { type: 'Q8_0', architecture: 'none' });
    const told = warnings.find(({ code }) => code === 'nothing_quantized');
    expect(told.message).toContain('; choose 2, 4 or 8 bits in safetensors or Arrow');
    expect(await codesOf(input, { bits: 4 })).toEqual([]);
  });

  test.each([
    ['one of them is quantized', () => modelFile([float32Tensor('a', [64, 64]), float32Tensor('b', [8])]), { bits: 4 }],
    ['floats are asked for', () => vectors('a'), { type: 'F32', architecture: 'none' }],
    ['floats are asked for in safetensors', () => vectors('a'), { type: 'F16', container: 'safetensors' }],
    ['a copy is', () => ggufFile(tinyLlama({ layers: 1 })), { type: 'COPY' }],
    ['rules of the caller keep them', () => vectors('a'), { bits: 4, rules: [['a', 'keep']] }],
    ['they do in a GGUF', () => vectors('a'), { type: 'Q8_0', architecture: 'none', rules: [['a', 'keep']] }],
    ['there are no floats', () => modelFile([ids]), { bits: 4 }],
    ['they have no weights', () => modelFile([float32Tensor('a', [0])]), { bits: 4 }],
  ])('is none where %s', async (_, bytes, options) => {
    expect(await codesOf(folder.write('in.model', bytes()), options)).toEqual([]);
  });
});
