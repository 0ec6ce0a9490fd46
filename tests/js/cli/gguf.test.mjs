import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { ggufFile, readGguf, tinyLlama } from '../../peers/tiny-llama.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { modelFile, readModel } from '../support/models/safetensors.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(parameters, { cwd: folder.at });

/** One clear sentence: a line that ends without a stack. */
const kOneSentence = /^error: [^\n]+\n$/;
const kLlama = ggufFile(tinyLlama({ layers: 3 }));
const kFlux = modelFile(diffusionModel('flux', { prefix: 'model.diffusion_model.' }));

beforeEach(() => {
  folder.write('llama-f16.gguf', kLlama);
  folder.write('flux.safetensors', kFlux);
});

const typesIn = (name) =>
  Object.fromEntries(readGguf(readFileSync(folder.path(name))).tensors.map((one) => [one.name, one.type]));

describe('quantize', () => {
  test.each([
    ['q4_k_m', 'Q4_K_M', 'Q4_K'],
    ['Q5_k', 'Q5_K_M', 'Q5_K'],
    ['iq4_nl', 'IQ4_NL', 'IQ4_NL'],
  ])('--type %s names the output after %s', async (given, type, base) => {
    const { code, stdout } = await run('quantize', 'flux.safetensors', '--type', given, '--json');
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ type, architecture: 'flux', output: `flux-${type}.gguf` });
    expect(typesIn(`flux-${type}.gguf`)['single_blocks.0.linear1.weight']).toBe(base);
  });

  test('a name that ends with .gguf is enough: Q4_K_M', async () => {
    expect(await run('quantize', 'llama-f16.gguf', 'OUT.GGUF', '--quiet')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect(typesIn('OUT.GGUF')['blk.0.ffn_gate.weight']).toBe('Q4_K');
  });

  test('--rule, --pure and --split-size do what they say', async () => {
    const rules = ['--rule', 'attn_v=q8_0', '--rule', 'ffn_up=keep', '--rule', '.=Q5_0'];
    const first = await run('quantize', 'llama-f16.gguf', 'a.gguf', '--type', 'Q4_K_M', ...rules, '--quiet');
    expect(first.code).toBe(0);
    expect(typesIn('a.gguf')).toMatchObject({
      ...{ 'blk.0.attn_v.weight': 'Q8_0', 'blk.0.ffn_up.weight': 'F16', 'blk.0.attn_q.weight': 'Q5_0' },
    });
    await run('quantize', 'llama-f16.gguf', 'b.gguf', '--type', 'Q5_K_M', '--pure', '--split-size', '1MB', '--quiet');
    const shards = folder.list().filter((name) => name.startsWith('b-'));
    expect(shards).toEqual(['b-00001-of-00002.gguf', 'b-00002-of-00002.gguf']);
    const types = Object.assign({}, ...shards.map(typesIn));
    expect([types['blk.0.attn_v.weight'], types['output.weight']]).toEqual(['Q5_K', 'Q5_K']);
  });

  test('prints a table with what was lost', async () => {
    const { code, stdout } = await run('quantize', 'flux.safetensors', '--type', 'Q8_0');
    expect(code).toBe(0);
    expect(stdout).toMatch(/double_blocks\.0\.img_attn\.proj\.weight +256×256 +BF16 → Q8_0 .*\d\.\d\de-\d +0\.9/);
    expect(stdout).toMatch(/flux-Q8_0\.gguf\n$/);
  });

  test('--f16-overflow=f32 keeps what is too large', async () => {
    const tensors = diffusionModel('flux', { dtype: 'F32' });
    tensors.find(({ name }) => name === 'img_in.weight').bytes.writeFloatLE(1e6, 400);
    folder.write('large.safetensors', modelFile(tensors));
    const refused = await run('quantize', 'large.safetensors', '--type', 'Q8_0');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^error: Weight too large for F16 in layer "img_in\.weight" in large\.safetensors at index 100/m,
    );
    expect(folder.list()).not.toContain('large-Q8_0.gguf');
    expect((await run('quantize', 'large.safetensors', '--type', 'Q8_0', '--f16-overflow=f32', '--quiet')).code).toBe(
      0,
    );
    expect(typesIn('large-Q8_0.gguf')['img_in.weight']).toBe('F32');
  });

  test.each([
    [['flux.safetensors', 'out.gguf', '--bits', '4'], /bits/],
    [['flux.safetensors', 'out.safetensors', '--type', 'Q8_0'], /\.gguf/],
    [['flux.safetensors', '--type', 'Q8_0', '--bits', '4'], /'--bits <n>' cannot be used with option '--type <type>'/],
    [['flux.safetensors', '--type', 'Q9_9'], /Q9_9/],
    [['flux.safetensors', '--pure'], /pure has no meaning/],
    [['flux.safetensors', '--split-size', '512MB'], /splitSize has no meaning/],
    [['flux.safetensors', '--type', 'Q8_0', '--split-size', 'much'], /size such as 512MB/],
    [['flux.safetensors', '--type', 'Q8_0', '--rule', 'attn'], /pattern and a type/],
    [['flux.safetensors', '--type', 'Q8_0', '--rule', 'attn=Q9'], /"Q9" is no type/],
    [['flux.safetensors', '--type', 'Q8_0', '--rule', '(=Q8_0'], /no regular expression/],
    [['flux.safetensors', '--type', 'Q8_0', '--architecture', 'flex'], /flex/],
    [['flux.safetensors', '--rule', 'attn=Q8_0'], /affine output knows "keep" and "drop" only/],
    [['flux.safetensors', '--type', 'Q8_0', '--memory-limit', '1MB'], /memoryLimit/],
  ])('%j: exit code 2, a sentence, nothing written', async (parameters, says) => {
    const { code, stdout, stderr } = await run('quantize', ...parameters);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^error: [^\n]+\n/);
    expect(stderr).toMatch(says);
    expect(folder.list()).toEqual(['flux.safetensors', 'llama-f16.gguf']);
  });
});

describe('inspect', () => {
  test('lists pairs and tensors of a GGUF, each alone when asked to', async () => {
    const all = await run('inspect', 'llama-f16.gguf');
    expect(all.stdout).toMatch(/blk\.0\.attn_q\.weight +256×256 +F16 +131 kB/);
    expect(all.stdout).toMatch(/^gguf, one file$/m);
    const pairs = await run('inspect', 'llama-f16.gguf', '--kv');
    expect(pairs.stdout).toMatch(/^general\.architecture: llama$/m);
    expect(pairs.stdout).toMatch(/^tokenizer\.ggml\.tokens: 259 elements of type string$/m);
    expect(pairs.stdout).not.toContain('attn_q.weight');
    const tensors = await run('inspect', 'llama-f16.gguf', '--tensors');
    expect(tensors.stdout).not.toContain('general.architecture');
    expect(tensors.stdout).toContain('output_norm.weight');
  });

  test('says in one sentence what is no model', async () => {
    folder.write('no.gguf', 'GGUF but not really');
    const { code, stderr } = await run('inspect', 'no.gguf');
    expect(code).toBe(1);
    expect(stderr).toMatch(kOneSentence);
    expect(stderr).toContain('no.gguf');
  });
});

describe('compare and dequantize', () => {
  test('a diffusion model with its GGUF: all tensors are found, whatever the prefix', async () => {
    await run('quantize', 'flux.safetensors', '--type', 'Q8_0', '--quiet');
    const { code, stdout } = await run('compare', 'flux.safetensors', 'flux-Q8_0.gguf');
    expect(code).toBe(0);
    expect(stdout).toMatch(/double_blocks\.0\.img_attn\.proj\.weight +256×256 +BF16 +Q8_0 +\d\.\d\de-\d/);
    expect(stdout).toMatch(/6 tensors compared, 3 of them equal\n$/);
  });

  test.each(['F32', 'F16'])('a GGUF becomes safetensors of %s', async (dtype) => {
    await run('quantize', 'llama-f16.gguf', 'q.gguf', '--type', 'Q8_0', '--quiet');
    const { code } = await run('dequantize', 'q.gguf', '--dtype', dtype, '--quiet');
    expect(code).toBe(0);
    const { tensors } = readModel(readFileSync(folder.path('q-restored.safetensors')));
    expect(tensors.get('blk.0.attn_q.weight')).toMatchObject({ dtype, shape: [256, 256] });
    const { code: same } = await run('compare', 'q.gguf', 'q-restored.safetensors', '--json');
    expect(same).toBe(0);
  });

  test('a GGUF is nothing that dequantize writes', async () => {
    const { code, stderr } = await run('dequantize', 'llama-f16.gguf', 'out.gguf');
    expect(code).toBe(2);
    expect(stderr).toMatch(/restored models are safetensors/);
  });
});
