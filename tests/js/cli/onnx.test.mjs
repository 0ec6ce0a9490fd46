import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { differencesFromGolden, goldenModel, goldenOutputs } from '../support/onnx/golden.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(parameters, { cwd: folder.at });

beforeEach(() => {
  folder.write('model.onnx', readFileSync(goldenModel('cnn')));
});

describe('The command quantizes an ONNX model', () => {
  test('to the name that transformers.js looks for', async () => {
    expect(await run('quantize', 'model.onnx', '--quiet')).toMatchObject({ code: 0, stderr: '' });
    expect(folder.list()).toEqual(['model.onnx', 'model_q4.onnx']);
    const golden = goldenOutputs('cnn')['ort-1.32.0/q4_b32_sym.onnx'];
    expect(differencesFromGolden(folder.path('model_q4.onnx'), golden)).toEqual([]);
  });

  test.each([
    [['--type', 'q8'], 'model_quantized.onnx', 'tjs-159b22e8/model_uint8.onnx'],
    [['--type', 'FP16'], 'model_fp16.onnx', 'tjs-159b22e8/model_fp16.onnx'],
    [['--type', 'bnb4'], 'model_bnb4.onnx', 'tjs-159b22e8/model_bnb4.onnx'],
    [['--type', 'nbits', '--bits', '8', '--asymmetric'], 'model_nbits.onnx', 'ort-1.32.0/q8_b32_asym.onnx'],
    [['--type', 'q4', '--group-size', '128', '--symmetric'], 'model_q4.onnx', 'ort-1.32.0/q4_b128_sym.onnx'],
    [['--type', 'q4', '--asymmetric', '--onnx-runtime', '1.20'], 'model_q4.onnx', 'ort-1.20.1/q4_b32_asym.onnx'],
  ])('with %j', async (parameters, name, golden) => {
    expect(await run('quantize', 'model.onnx', ...parameters, '--quiet')).toMatchObject({ code: 0, stderr: '' });
    expect(differencesFromGolden(folder.path(name), goldenOutputs('cnn')[golden])).toEqual([]);
  });

  test('and says what it would do', async () => {
    const { code, stdout } = await run(
      'quantize',
      'model.onnx',
      '--rule',
      'MatMul_79=keep',
      '--type',
      'q8',
      '--dry-run',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/onnx::MatMul_79\s+24×10\s+F32 kept.+rule MatMul_79=keep/u);
    expect(stdout).toContain('nothing was written');
    expect(folder.list()).toEqual(['model.onnx']);
  });

  test.each([
    [['out.onnx', '--types', 'q4,q8'], 'several types are several files'],
    [['--types', 'q4,q8', '--group-size', '64'], 'groupSize has no meaning with the type q8'],
    [['out.safetensors', '--embeddings'], 'embeddings has no meaning, because the output is no ONNX model'],
    [['out.gguf', '--onnx-form', 'qdq'], 'has no meaning, because the output is no ONNX model'],
    [['--types', 'q4,q9'], '"q9" is no type of ONNX models'],
    [['out.onnx', '--type', 'Q4_K_M'], 'is none of ONNX models'],
    [['--accuracy-level', '7'], 'Allowed choices are 0, 1, 2, 3, 4.'],
    [['--effort', 'most'], 'Allowed choices are reference, better, best.'],
  ])('and refuses %j in one sentence', async (parameters, says) => {
    const { code, stdout, stderr } = await run('quantize', 'model.onnx', ...parameters);
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error: [^\n]+\n(?:\([^\n]+\)\n)*$/);
    expect(stderr).toContain(says);
    expect(folder.list()).toEqual(['model.onnx']);
  });
});

describe('A folder of ONNX models', () => {
  const kConfig = '{"model_type": "x", "eps": 1e-05, "transformers.js_config": {"dtype": "q4"}}';

  test('is quantized in several types, and config.json says where weights lie', async () => {
    mkdirSync(folder.path('in/onnx'), { recursive: true });
    writeFileSync(folder.path('in/config.json'), kConfig);
    for (const name of ['encoder_model.onnx', 'decoder_model_merged.onnx', 'encoder_model_int8.onnx']) {
      writeFileSync(folder.path(path.join('in/onnx', name)), readFileSync(goldenModel('cnn')));
    }
    const parameters = ['--types', 'q4,fp16', '--out-dir', 'out', '--external-data', '--quiet'];
    expect(await run('quantize', 'in', ...parameters)).toMatchObject({ code: 0, stderr: '' });
    const config = JSON.parse(readFileSync(folder.path('out/config.json'), 'utf8'));
    const files = ['decoder_model_merged_q4', 'decoder_model_merged_fp16', 'encoder_model_q4', 'encoder_model_fp16'];
    expect(config).toEqual({
      ...JSON.parse(kConfig),
      'transformers.js_config': {
        dtype: 'q4',
        use_external_data_format: Object.fromEntries(files.map((name) => [`${name}.onnx`, 1])),
      },
    });
    expect(readFileSync(folder.path('out/config.json'), 'utf8')).toContain('1e-05');
    for (const name of files) expect(readFileSync(folder.path(`out/onnx/${name}.onnx_data`)).length).toBeGreaterThan(0);
  });

  const section = () => JSON.parse(readFileSync(folder.path('config.json'), 'utf8'))['transformers.js_config'];

  test('has its config.json say so where files lie beside the originals', async () => {
    writeFileSync(folder.path('config.json'), kConfig);
    await run('quantize', '.', '--types', 'q4', '--quiet');
    expect(readFileSync(folder.path('config.json'), 'utf8')).toBe(kConfig);
    await run('quantize', '.', '--types', 'q4', '--external-data', '--quiet');
    expect(section()).toEqual({ dtype: 'q4', use_external_data_format: { 'model_q4.onnx': 1 } });
    await run('quantize', '.', '--types', 'q4', '--quiet');
    expect(section()).toEqual({ dtype: 'q4', use_external_data_format: { 'model_q4.onnx': 0 } });
  });

  test('is no longer said to have external data in all files', async () => {
    writeFileSync(folder.path('config.json'), '{"transformers.js_config": {"use_external_data_format": true}}');
    writeFileSync(folder.path('other.onnx_data'), '');
    writeFileSync(folder.path('other.onnx'), '');
    await run('quantize', 'model.onnx', '--quiet');
    expect(section()).toEqual({ use_external_data_format: { 'other.onnx': 1 } });
  });

  test('without a model says so', async () => {
    mkdirSync(folder.path('empty'));
    const { code, stderr } = await run('quantize', 'empty', '--types', 'q4', '--out-dir', 'out');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/there is no ONNX model in it that is not quantized/);
  });
});

test('inspect, compare and dequantize read what was written', async () => {
  await run('quantize', 'model.onnx', '--quiet');
  const inspected = JSON.parse((await run('inspect', 'model_q4.onnx', '--json')).stdout);
  expect(inspected).toMatchObject({ container: 'onnx' });
  expect(inspected.tensors.find(({ name }) => name === 'onnx::MatMul_79')).toMatchObject({ shape: [24, 10] });
  const compared = JSON.parse((await run('compare', 'model.onnx', 'model_q4.onnx', '--json')).stdout);
  expect(compared.onlyInA).toEqual([]);
  expect(await run('dequantize', 'model_q4.onnx', 'back.safetensors', '--quiet')).toMatchObject({ code: 0 });
});
