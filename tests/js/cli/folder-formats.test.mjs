import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { goldenJson } from '../support/models/model-folder.mjs';
import { copyTinyLlama, digests } from '../support/models/tiny-llama.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(parameters, { cwd: folder.at });

const kCompressed = ['--format', 'compressed-tensors'];
const kBits = ['--format', 'bitsandbytes'];

test.each([
  ['llmcompressor', 'W4A16', kCompressed],
  ['llmcompressor', 'W4A16_ASYM', [...kCompressed, '--type', 'w4a16_asym']],
  ['llmcompressor', 'NVFP4A16', [...kCompressed, '--type', 'NVFP4A16']],
  ['llmcompressor', 'MXFP4A16', [...kCompressed, '--type', 'mxfp4a16']],
  ['transformers-bitsandbytes', 'nf4_dq', [...kBits, '--double-quant']],
  ['transformers-bitsandbytes', 'fp4', [...kBits, '--type', 'fp4']],
])('a folder becomes one that is as %s makes it: %s', async (program, name, options) => {
  copyTinyLlama(folder.path('tiny'));
  const { code, stdout, stderr } = await run('quantize', 'tiny', 'out', ...options, '--json');
  expect([code, stderr]).toEqual([0, '']);
  expect(digests(folder.path('out/model.safetensors'))).toEqual(goldenJson(`${program}/outputs.json`)[name].tensors);
  expect(JSON.parse(stdout)).toMatchObject({ output: 'out', architecture: 'llama' });
  expect(readdirSync(folder.path('out')).toSorted()).toEqual([
    ...['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'],
  ]);
});

test.each([
  [kCompressed, 'tiny-compressed-tensors-W4A16'],
  [[...kCompressed, '--type', 'w8a16', '--group-size', '32'], 'tiny-compressed-tensors-w8a16'],
  [kBits, 'tiny-bitsandbytes-nf4'],
  [['--format', 'mlc', '--type', 'q4f32_1'], 'tiny-mlc-q4f32_1'],
])('%j writes to %s', async (options, name) => {
  copyTinyLlama(folder.path('tiny'));
  expect(await run('quantize', 'tiny', ...options, '--quiet')).toMatchObject({ code: 0, stderr: '', stdout: '' });
  expect(existsSync(folder.path(name))).toBe(true);
});

describe.each([
  [kCompressed, 'ct int4 g128'],
  [[...kCompressed, '--type', 'W8A16_ASYM', '--group-size', '64'], 'ct int8 g64 asymmetric'],
  [[...kBits, '--double-quant'], 'bnb nf4'],
  [['--format', 'mlc'], 'mlc q4f16_1'],
  [['--format', 'mlx', '--bits', '3'], 'mlx int3 g64'],
])('%j', (options, type) => {
  test('is inspected, restored, compared, and made a GGUF of', async () => {
    copyTinyLlama(folder.path('tiny'));
    await run('quantize', 'tiny', 'out', ...options, '--quiet');
    const { tensors } = JSON.parse((await run('inspect', 'out', '--json')).stdout);
    expect(tensors.find(({ name }) => name === 'model.layers.0.mlp.down_proj.weight')).toMatchObject({ type });
    expect(await run('dequantize', 'out', 'back.safetensors', '--dtype', 'F32', '--quiet')).toMatchObject({ code: 0 });
    const compared = await run('compare', 'out', 'back.safetensors', '--json');
    expect(compared.code).toBe(0);
    expect(JSON.parse(compared.stdout).tensors.every(({ equal }) => equal)).toBe(true);
    const made = await run('quantize', 'out', 'out.gguf', '--type', 'F32', '--architecture', 'none', '--json');
    expect(made.code).toBe(0);
    expect(JSON.parse(made.stdout).tensors.filter(({ from }) => from === type).length).toBeGreaterThan(5);
  });
});

test('a rule quantizes what would stay as it is, and another one leaves out of it what is not to be', async () => {
  copyTinyLlama(folder.path('tiny'));
  const rules = ['--rule', 'lm_head=quantize', '--rule', 'layers.1=keep'];
  expect(await run('quantize', 'tiny', 'out', ...kCompressed, ...rules, '--quiet')).toMatchObject({ code: 0 });
  const { quantization_config: config } = JSON.parse(readFileSync(folder.path('out/config.json'), 'utf8'));
  expect(config.ignore).toHaveLength(7);
  expect(config.ignore.every((name) => name.startsWith('model.layers.1.'))).toBe(true);
  const refused = await run('quantize', 'tiny', 'none.gguf', '--rule', 'lm_head=quantize');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('has no meaning without a format')]);
});

test('--dry-run has the sizes of what is written', async () => {
  copyTinyLlama(folder.path('tiny'));
  for (const options of [kCompressed, [...kBits, '--double-quant'], ['--format', 'mlc', '--type', 'q4f32_1']]) {
    const planned = JSON.parse((await run('quantize', 'tiny', 'out', ...options, '--dry-run', '--json')).stdout);
    const written = JSON.parse((await run('quantize', 'tiny', options[1], ...options, '--json')).stdout);
    expect(written.totals.fileBytes).toBe(planned.output.bytes);
    expect(readdirSync(folder.path(options[1])).toSorted()).toEqual(planned.output.names.toSorted());
    expect(existsSync(folder.path('out'))).toBe(false);
  }
});

test('--asymmetric gives compressed-tensors zero points', async () => {
  copyTinyLlama(folder.path('tiny'));
  const asked = [...kCompressed, '--group-size', '32', '--asymmetric'];
  expect(await run('quantize', 'tiny', 'out', ...asked, '--quiet')).toMatchObject({ code: 0 });
  expect(Object.keys(digests(folder.path('out/model.safetensors')))).toContain(
    'model.layers.0.mlp.down_proj.weight_zero_point',
  );
});

test('what does not go together is refused in one sentence', async () => {
  copyTinyLlama(folder.path('tiny'));
  for (const [options, says] of [
    [
      [...kCompressed, '--double-quant'],
      'doubleQuant has no meaning, because the output is a model of compressed-tensors',
    ],
    [[...kBits, '--type', 'W4A16'], 'type is "W4A16"'],
    [['--format', 'mlc', '--resume'], 'resume has no meaning'],
    [['--format', 'mlx', '--double-quant'], 'doubleQuant has no meaning'],
    [['--double-quant'], 'doubleQuant has no meaning'],
    [[...kCompressed, '--symmetric', '--asymmetric'], "option '--asymmetric' cannot be used with option '--symmetric'"],
    [['--format', 'mlx', '--asymmetric'], 'symmetric has no meaning, because the output is a model for MLX'],
    [['--format', 'mlc', '--types', 'q4,q8'], "option '--types <list>' has no meaning, because the output is no ONNX"],
    [['--type', 'Q4_K_M', '--out-dir', 'more'], "option '--out-dir <dir>' has no meaning"],
    [['--format', 'mlx', '--accuracy-level', '4'], 'accuracyLevel has no meaning'],
    [[...kBits, '--embeddings'], 'embeddings has no meaning'],
    [['--onnx-form', 'qdq'], 'onnxForm has no meaning'],
    [['--type', 'Q8_0', '--onnx-runtime', '1.20'], 'onnxRuntime has no meaning'],
    [['--format', 'mlc', '--external-data'], 'externalData has no meaning'],
  ]) {
    const refused = await run('quantize', 'tiny', 'out', ...options);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(says)]);
    expect(existsSync(folder.path('out'))).toBe(false);
  }
});
