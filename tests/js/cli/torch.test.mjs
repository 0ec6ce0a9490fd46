import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { call, global } from '../support/models/pickle.mjs';
import { modelFile } from '../support/models/safetensors.mjs';
import { Checkpoint, torchFile } from '../support/models/torch.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(parameters, { cwd: folder.at });

const kTensors = diffusionModel('flux', { prefix: 'model.diffusion_model.' });

test.each(['m.ckpt', 'm.pt', 'm.pth', 'm.bin'])('quantize %s makes m-Q4_K_M.gguf of it', async (name) => {
  folder.write(name, torchFile(kTensors));
  folder.write('expected.safetensors', modelFile(kTensors));
  expect(await run('quantize', name, '--type', 'Q4_K_M', '--quiet')).toMatchObject({ code: 0, stderr: '' });
  await run('quantize', 'expected.safetensors', '--type', 'Q4_K_M', '--quiet');
  expect(readFileSync(folder.path('m-Q4_K_M.gguf')).equals(readFileSync(folder.path('expected-Q4_K_M.gguf')))).toBe(
    true,
  );
});

test('inspect says what it is', async () => {
  folder.write('m.ckpt', torchFile(kTensors));
  const { code, stdout } = await run('inspect', 'm.ckpt');
  expect(code).toBe(0);
  expect(stdout).toMatch(/\ntorch, one file\n/);
});

test('a checkpoint with code in it is refused in one sentence', async () => {
  const value = new Map([['state_dict', call(global('os', 'system'), ['touch ran'])]]);
  folder.write('m.ckpt', new Checkpoint().save(value));
  const { code, stderr } = await run('quantize', 'm.ckpt', '--type', 'Q8_0');
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^error: Cannot read m\.ckpt: it has "os\.system" in it, which is no part of a state dict, [^\n]+\n$/,
  );
  expect(folder.list()).toEqual(['m.ckpt']);
});

test('none is written', async () => {
  folder.write('m.safetensors', modelFile(kTensors));
  const { code, stderr } = await run('quantize', 'm.safetensors', 'out.ckpt', '--type', 'Q8_0');
  expect(code).toBe(2);
  expect(stderr).toBe('error: Invalid option: the output "out.ckpt" must end with .safetensors, .gguf or .arrow\n');
});
