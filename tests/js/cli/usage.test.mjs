import { expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const kModel = modelFile([float32Tensor('unet.proj.weight', [64, 64])]);
const kQuantize = ['quantize', 'in.safetensors'];
const kGguf = [...kQuantize, '--type', 'Q8_0'];
const kEmpty = 'It is empty; it must be a path or a URL.';

test.each([
  // What applies to the other kind of output only.
  [[...kGguf, '--mode', 'base'], "'--mode <mode>' cannot be used with option '--type <type>'"],
  [[...kGguf, '--group-size', '32'], "'--group-size <n>' cannot be used with option '--type <type>'"],
  [[...kGguf, '--symmetric'], "'--symmetric' cannot be used with option '--type <type>'"],
  [[...kGguf, '--profile', 'edge'], "'--profile <profile>' cannot be used with option '--type <type>'"],
  [[...kQuantize, 'out.gguf', '--mode', 'base'], 'mode has no meaning, because the output is a GGUF; leave it out'],
  [[...kQuantize, '--architecture', 'flux'], 'architecture has no meaning'],
  [[...kQuantize, '--for', 'sd.cpp'], 'for has no meaning'],
  [[...kQuantize, '--f16-overflow', 'f32'], 'f16Overflow has no meaning'],
  [['inspect', 'in.safetensors', '--kv', '--json'], "'--json' cannot be used with option '--kv'"],
  // What is misspelt.
  [['quantise', 'in.safetensors'], '(Did you mean quantize?)'],
  [[...kQuantize, '--bitz', '8'], '(Did you mean --bits?)'],
  [[...kQuantize, '--group_size', '32'], '(Did you mean --group-size?)'],
  [['dequantize', 'in.safetensors', '--dtpye', 'F32'], '(Did you mean --dtype?)'],
  [['inspect', 'in.safetensors', '--jsn'], '(Did you mean --json?)'],
  // What is no value.
  [[...kQuantize, '--bits'], "'--bits <n>' argument missing"],
  [[...kGguf, '--for', 'koboldcpp'], 'Allowed choices are comfyui, sd.cpp.'],
  [[...kGguf, '--architecture', 'llama'], 'architecture is "llama", must be "flux"'],
  [['dequantize', 'in.safetensors', '--dtype', 'F8'], 'dtype is "F8", must be "F32" or "F16" or "BF16"'],
  [['dequantize', 'in.safetensors', 'out.gguf'], 'restored models are safetensors'],
  // What shells make of a variable that is not set.
  [['quantize', ''], kEmpty],
  [[...kQuantize, ''], kEmpty],
  [['dequantize', ''], kEmpty],
  [['inspect', ''], kEmpty],
  [['compare', 'in.safetensors', ''], kEmpty],
])('%j: exit code 2, one sentence, nothing written', async (parameters, says) => {
  folder.write('in.safetensors', kModel);
  const { code, stdout, stderr } = await runCommand(parameters, { cwd: folder.at });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^error: [^\n]+\n(?:\([^\n]+\)\n)*$/);
  expect(stderr).toContain(says);
  expect(folder.list()).toEqual(['in.safetensors']);
});

test('types are known in any case of their letters', async () => {
  folder.write('in.safetensors', kModel);
  const run = (...parameters) => runCommand([...parameters, '--json'], { cwd: folder.at });
  const quantized = await run(...kQuantize, '--type', 'q8_0', '--rule', 'proj=q4_0', '--architecture', 'none');
  expect(JSON.parse(quantized.stdout)).toMatchObject({ type: 'Q8_0', tensors: [{ to: 'Q4_0' }] });
  const restored = await run('dequantize', 'in-Q8_0.gguf', '--dtype', 'bf16');
  expect(JSON.parse(restored.stdout)).toMatchObject({ tensors: [{ to: 'BF16' }] });
});
