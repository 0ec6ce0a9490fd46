import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { ggufFile as llamaFile, readGguf, tinyLlama } from '../../peers/tiny-llama.mjs';
import { runCommand } from '../cli/support/command.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile, readModel } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const integers = (name, dtype, bytes) => ({ name, dtype, shape: [bytes.length], bytes: Buffer.from(bytes) });
const kMask = integers('attn.mask', 'BOOL', [1, 0, 1]);
const kBuffers = [kMask, integers('steps', 'U8', [7, 8]), { ...integers('ids', 'I64', []), shape: [0] }];
const kModel = [float32Tensor('attn.weight', [64, 64]), float32Tensor('mlp.weight', [64, 64], 2)];
const write = (tensors = [...kModel, ...kBuffers]) => folder.write('in.safetensors', modelFile(tensors));

describe('a rule that drops tensors', () => {
  const kRules = [
    ['^(attn\\.mask|steps)$', 'drop'],
    { name: 'no second matrix', when: { module: /^mlp$/u }, type: 'drop' },
  ];
  const kDropped = [
    { name: 'attn.mask', shape: [3], elements: 3, from: 'BOOL', bytes: 3, rule: 'rule ^(attn\\.mask|steps)$=drop' },
    { name: 'mlp.weight', shape: [64, 64], elements: 4096, from: 'F32', bytes: 16384, rule: 'no second matrix' },
    { name: 'steps', shape: [2], elements: 2, from: 'U8', bytes: 2, rule: 'rule ^(attn\\.mask|steps)$=drop' },
  ];

  test('leaves them out of a GGUF, of its plan and of its report', async () => {
    const options = { type: 'Q8_0', architecture: 'none', rules: kRules };
    const plan = await quantizer.plan(write(), options);
    const report = await quantizer.quantizeFile(write(), folder.path('out.gguf'), options);
    for (const { dropped, tensors, totals } of [plan, report]) {
      expect(dropped).toEqual(kDropped);
      expect(tensors.map(({ name }) => name).sort()).toEqual(['attn.weight', 'ids']);
      expect(totals).toMatchObject({ tensors: 2, bytesBefore: 16384 });
    }
    expect(plan.notes).toEqual(report.notes);
    const { tensors } = await quantizer.inspectFile(folder.path('out.gguf'));
    expect(tensors.map(({ name, type }) => [name, type])).toEqual([
      ['attn.weight', 'Q8_0'],
      ['ids', 'I64'],
    ]);
  });

  test('leaves them out of a safetensors', async () => {
    const output = folder.path('out.safetensors');
    expect((await quantizer.plan(write(), { rules: kRules })).dropped).toEqual(kDropped);
    expect((await quantizer.quantizeFile(write(), output, { rules: kRules })).dropped).toEqual(kDropped);
    const names = [...readModel(readFileSync(output)).tensors.keys()].sort();
    expect(names).toEqual(['attn.weight', 'attn.weight.scales', 'attn.weight.zero_points', 'ids']);
  });

  test('drops what is quantized already, which ended the conversion', async () => {
    await quantizer.quantizeFile(write(), folder.path('int4.safetensors'));
    const options = { rules: [['weight', 'drop']] };
    const { tensors } = await quantizer.plan(folder.path('int4.safetensors'), options);
    expect(tensors.map(({ name }) => name)).toEqual(['ids', 'attn.mask', 'steps']);
  });

  test('makes of a language model what it is without them: tied embeddings', async () => {
    const input = folder.write('in.gguf', llamaFile(tinyLlama({ layers: 2 })));
    const options = { type: 'Q4_K_M', rules: [['^output.weight$', 'drop']] };
    const { tensors } = await quantizer.quantizeFile(input, folder.path('out.gguf'), options);
    const { rule } = tensors.find(({ name }) => name === 'token_embd.weight');
    expect(rule).toBe('token embedding, tied to the output');
    const written = readGguf(readFileSync(folder.path('out.gguf'))).tensors.map(({ name }) => name);
    expect(written).not.toContain('output.weight');
  });

  test('is listed beside what the model has no use for', async () => {
    const tensors = [...diffusionModel('flux', { prefix: 'model.diffusion_model.' }), float32Tensor('vae.w', [32])];
    const options = { type: 'Q8_0', rules: [['img_attn.proj.bias', 'drop']] };
    const { dropped, notes } = await quantizer.plan(write(tensors), options);
    expect(dropped.map(({ name, rule }) => [name, rule])).toEqual([
      ['model.diffusion_model.double_blocks.0.img_attn.proj.bias', 'rule img_attn.proj.bias=drop'],
      ['vae.w', 'not in model.diffusion_model.'],
    ]);
    expect(notes).toEqual([expect.stringMatching(/^1 tensor is left out/u)]);
  });

  test.each([{ type: 'Q8_0', architecture: 'none' }, {}])('may not leave nothing: %j', async (options) => {
    const call = quantizer.quantizeFile(write(), folder.path(options.type ? 'o.gguf' : 'o.safetensors'), {
      ...{ ...options, rules: [['', 'drop']] },
    });
    await expect(call).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(/nothing is left/u),
    });
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('goes by the command line as well, with and without --dry-run', async () => {
    write();
    const parameters = [
      'quantize',
      'in.safetensors',
      '--type',
      'Q8_0',
      '--architecture',
      'none',
      '--rule',
      'mask|steps=drop',
    ];
    const dry = await runCommand([...parameters, '--dry-run'], { cwd: folder.at });
    expect(dry.code).toBe(0);
    expect(dry.stdout).toMatch(/^attn\.mask +3 +BOOL dropped +3 B +- +rule mask\|steps=drop$/mu);
    expect(dry.stdout).toMatch(/2 tensors to convert, 1 to keep, 2 to leave out$/mu);
    const done = await runCommand(parameters, { cwd: folder.at });
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/^attn\.mask +3 +BOOL dropped \(rule mask\|steps=drop\)/mu);
    expect(done.stdout).toMatch(/, 2 left out$/mu);
  });
});

describe('a buffer of a type that no GGUF has', () => {
  test('ended a conversion without a way round and named the output; the way that is offered works', async () => {
    const tensors = [...kModel, kMask];
    const error = await quantizer
      .quantizeFile(write(tensors), folder.path('out.gguf'), { type: 'Q8_0', architecture: 'none' })
      .catch((e) => e);
    expect(error).toMatchObject({
      ...{ code: 'unsupported_dtype', layer: 'attn.mask', detail: 'BOOL', file: folder.path('in.safetensors') },
    });
    const [, pattern] = /'(.*)=drop'/u.exec(error.message);
    const { dropped } = await quantizer.quantizeFile(write(tensors), folder.path('out.gguf'), {
      ...{ type: 'Q8_0', architecture: 'none', rules: [[pattern, 'drop']] },
    });
    expect(dropped.map(({ name }) => name)).toEqual(['attn.mask']);
  });

  test('whose name would steer a pattern or a shell is offered a pattern that matches it alone', async () => {
    const name = "a'$(b)[*]\\.\u001b mask";
    const tensors = [...kModel, { ...kMask, name }];
    const { message } = await quantizer
      .plan(write(tensors), { type: 'Q8_0', architecture: 'none' })
      .catch((reason) => reason);
    const [, pattern] = /'([^']*)=drop'/u.exec(message);
    expect(new RegExp(pattern, 'u').test(name)).toBe(true);
    expect(new RegExp(pattern, 'u').test(`x${name}`)).toBe(false);
  });
});
