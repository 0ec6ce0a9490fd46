import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { readGguf } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { halfTensor, modelFile } from '../support/models/safetensors.mjs';
import { sdCheckpoint } from '../support/models/sd-checkpoint.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(parameters, { cwd: folder.at });

const kCheckpoint = modelFile(sdCheckpoint({ width: 64 }));
const kConvolution = 'model.diffusion_model.input_blocks.1.0.in_layers.2.weight';

beforeEach(() => folder.write('v1-5.safetensors', kCheckpoint));

describe('quantize --for sd.cpp', () => {
  test('writes the whole checkpoint, and says what opens it and what is left out', async () => {
    const { code, stdout } = await run('quantize', 'v1-5.safetensors', '--type', 'q8_0', '--for', 'sd.cpp');
    expect(code).toBe(0);
    expect(stdout).toContain('stable-diffusion.cpp takes the file with -m.');
    expect(stdout).toContain('6 tensors are left out: never read by stable-diffusion.cpp.');
    expect(stdout).toMatch(/stable-diffusion\.cpp, koboldcpp/);
    const { keyValues, tensors } = readGguf(readFileSync(folder.path('v1-5-Q8_0.gguf')));
    expect(tensors.find(({ name }) => name === kConvolution)).toMatchObject({ type: 'F16', shape: [8, 64, 3, 3] });
    expect(tensors.some(({ name }) => name.startsWith('first_stage_model.'))).toBe(true);
    expect(keyValues.has('general.architecture')).toBe(false);
  });

  test('--dry-run shows it without writing', async () => {
    const { code, stdout } = await run(
      ...['quantize', 'v1-5.safetensors', '--type', 'Q4_0', '--for', 'sd.cpp', '--dry-run', '--json'],
    );
    expect(code).toBe(0);
    const { opensIn, architecture, tensors } = JSON.parse(stdout);
    expect([opensIn, architecture]).toEqual([['stable-diffusion.cpp', 'koboldcpp'], null]);
    expect(tensors.find(({ name }) => name === kConvolution)).toMatchObject({
      ...{ outputName: kConvolution, outputShape: [8, 64, 3, 3], to: 'F16' },
    });
    expect(folder.list()).toEqual(['v1-5.safetensors']);
  });

  test('without it, a checkpoint of SD 1 is made for ComfyUI: the diffusion model alone', async () => {
    expect((await run('quantize', 'v1-5.safetensors', '--type', 'Q8_0', '--architecture', 'sd1', '--quiet')).code).toBe(
      0,
    );
    const { keyValues, tensors } = readGguf(readFileSync(folder.path('v1-5-Q8_0.gguf')));
    expect(keyValues.get('general.architecture')).toBe('sd1');
    expect(tensors.some(({ name }) => name.startsWith('first_stage_model.'))).toBe(false);
  });

  test('what the program would not open ends with one sentence and 1, and nothing is written', async () => {
    folder.write('unet.safetensors', modelFile([halfTensor('input_blocks.1.0.in_layers.2.weight', [8, 8, 3, 3])]));
    const { code, stdout, stderr } = await run('quantize', 'unet.safetensors', '--type', 'Q8_0', '--for', 'sd.cpp');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: [^\n]*take the whole checkpoint\n$/);
    expect(folder.list()).toEqual(['unet.safetensors', 'v1-5.safetensors']);
  });

  test('another program is refused', async () => {
    const { code, stderr } = await run('quantize', 'v1-5.safetensors', '--type', 'Q8_0', '--for', 'a1111');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/comfyui, sd\.cpp/);
  });
});
