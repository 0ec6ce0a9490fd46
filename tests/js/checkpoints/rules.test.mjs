import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { readGguf } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { kFamilies, writeFamily } from './support/families.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

async function converted(name, type, rules) {
  const family = kFamilies.find((one) => one.name === name);
  const options = family.pre === undefined ? {} : { pre: family.pre };
  const output = folder.path('out.gguf');
  await quantizer.quantizeFile(writeFamily(family, folder.path('.')), output, { ...options, type, rules });
  return readGguf(readFileSync(output));
}

describe.each(['F16', 'Q8_0', 'Q4_0'])('in a file of the type %s', (type) => {
  test.each([
    ['qwen2', 'blk\\.0\\.attn_q\\.weight', 'blk.0.attn_q.weight'],
    ['qwen2', 'q_proj\\.weight', 'model.layers.0.self_attn.q_proj.weight'],
    ['qwen2', 'token_embd', 'token_embd.weight'],
    ['qwen2', '^model.embed_tokens', 'model.embed_tokens.weight'],
    ['qwen3moe', 'blk.0.ffn_down_exps', 'blk.0.ffn_down_exps.weight'],
    ['qwen3moe', 'experts.1.down_proj', 'model.layers.0.mlp.experts.1.down_proj.weight'],
    ['llama-rope3', 'rope_freqs', 'rope_freqs.weight'],
    ['qwen2', '.', 'model.embed_tokens.weight'],
  ])('what %s needs is not dropped by %s', async (family, pattern, name) => {
    const call = converted(family, type, [[pattern, 'drop']]);
    await expect(call).rejects.toMatchObject({ code: 'invalid_option', layer: name });
    await expect(call).rejects.toThrow(
      `${JSON.stringify(`rule ${pattern}=drop`)} drops the tensor ${JSON.stringify(name)}`,
    );
    expect(existsSync(folder.path('out.gguf'))).toBe(false);
  });

  test.each(['lm_head', '^output\\.weight$'])(
    'what llama.cpp opens a file without is dropped by %s',
    async (pattern) => {
      const { tensors } = await converted('llama-rope3', type, [[pattern, 'drop']]);
      expect(tensors.some(({ name }) => name === 'output.weight')).toBe(false);
    },
  );

  test.each([
    ['qwen2', 'model.norm.weight', 'BF16'],
    ['qwen3moe', 'blk.0.attn_norm.weight', 'BF16'],
    ['qwen2', 'model.layers.0.self_attn.q_proj.bias', 'F16'],
    ['gpt-oss-bf16', 'blk.0.ffn_gate_exps.bias', 'Q8_0'],
    ['lfm2', 'blk.0.shortconv.conv.weight', 'Q4_K'],
    ['llama-rope3', 'rope_freqs.weight', 'F16'],
  ])('what llama.cpp computes with as F32 is nothing else by a rule: %s, %s=%s', async (family, name, to) => {
    const call = converted(family, type, [[`=${name}`, to]]);
    await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(call).rejects.toThrow(/as F32 alone/u);
    expect(existsSync(folder.path('out.gguf'))).toBe(false);
  });

  test.each([
    ['qwen3moe', 'blk.0.attn_norm.weight', 'F32'],
    ['qwen3moe', 'blk.0.ffn_gate_inp.weight', 'F16'],
    ['gpt2', 'position_embd.weight', 'F16'],
  ])('a rule gives a type that llama.cpp reads there: %s, %s=%s', async (family, name, to) => {
    const { tensors } = await converted(family, type, [[`=${name}`, to]]);
    expect(tensors.find((one) => one.name === name).type).toBe(to);
  });

  test('what llama.cpp computes with as F32 is F32 when a rule keeps it', async () => {
    const { tensors } = await converted('qwen3moe', type, [['^blk\\.0\\.', 'keep']]);
    const typesOf = (part) =>
      tensors.filter(({ name }) => name.startsWith('blk.0.') && name.includes(part)).map((one) => one.type);
    expect(new Set([...typesOf('_norm.'), ...typesOf('ffn_gate_inp')])).toEqual(new Set(['F32']));
    expect(typesOf('attn_q.weight')).toEqual(['BF16']);
  });
});
