import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { fileURLToPath } from 'node:url';
import { useFolder } from '../support/models/folder.mjs';

const checkpoint = (name) => fileURLToPath(new URL(`../../golden/checkpoints/${name}`, import.meta.url));

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** With permuted heads, with norms that have 1 added, with experts that are stacked, with transposed matrices. */
test.each([
  'llama-gqa-rope3/Tiny-Llama-3.2-0.1M-Instruct',
  'gemma2/gemma-2-tiny-it',
  'qwen3moe/Qwen3-Tiny-A20K-2507-MoE',
  'gpt2/gpt2',
])('the tensors that a plan of %s names are read with the values that its GGUF has', async (name) => {
  const output = folder.path('model.gguf');
  await quantizer.quantizeFile(checkpoint(name), output, { type: 'F32' });
  const [model, made] = [await quantizer.open(checkpoint(name)), await quantizer.open(output)];
  const { tensors } = await model.plan({ type: 'Q4_K_M' });
  expect(tensors.map((tensor) => tensor.name).sort()).toEqual(made.tensors.map((tensor) => tensor.name));
  for (const { name: tensor, outputName } of tensors) {
    const [read, expected] = [await model.read(tensor, { begin: 3 }), await made.read(outputName, { begin: 3 })];
    expect(Buffer.compare(Buffer.from(read.buffer), Buffer.from(expected.buffer))).toBe(0);
  }
  await model.close();
  await made.close();
});

test('tensors of a checkpoint keep their own names, and others are missing', async () => {
  const source = checkpoint('llama-spm-tied/llama2-spm-tied');
  await expect(quantizer.readTensor(source, 'model.norm.weight')).resolves.toHaveLength(64);
  await expect(quantizer.readTensor(source, 'output_norm.weight')).resolves.toHaveLength(64);
  await expect(quantizer.readTensor(source, 'blk.9.attn_q.weight')).rejects.toMatchObject({ code: 'missing_tensor' });
});
