import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { modelFile } from '../support/models/safetensors.mjs';
import { runCommand } from './support/command.mjs';
import { writeSparseModel } from './support/sparse.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(['quantize', 'sdxl.safetensors', ...parameters], { cwd: folder.at });

beforeEach(() => {
  folder.write(
    'sdxl.safetensors',
    modelFile(diffusionModel('sdxl', { dtype: 'F16', prefix: 'model.diffusion_model.' })),
  );
});

describe('--dry-run', () => {
  test('prints what becomes what, and why, and writes nothing', async () => {
    const { code, stdout } = await run('--type', 'q4_k', '--dry-run', '--rule', 'attn1=Q8_0');
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^tensor +shape +from → to +bytes +bits\/weight +rule$/);
    expect(stdout).toMatch(
      /^input_blocks\.1\.0\.in_layers\.2\.weight +72×256 +F16 → Q4_K +36\.9 kB → 10\.4 kB +4\.50/m,
    );
    expect(stdout).toMatch(/^input_blocks\.0\.0\.weight +45×256 +F16 kept +23\.0 kB +16\.00 +sdxl: keep$/m);
    expect(stdout).toMatch(/attn1\.to_v\.weight +80×256 +F16 → Q8_0 .* rule attn1=Q8_0$/m);
    expect(lines.at(-3)).toMatch(/^Q4_K_M \(sdxl\): 3 tensors to convert, 4 to keep$/);
    expect(lines.at(-1)).toMatch(/^gguf, one file of \d+ bytes; nothing was written$/);
    expect(folder.list()).toEqual(['sdxl.safetensors']);
  });

  test('as JSON is the plan, with the size that the file then has', async () => {
    const { stdout } = await run('--type', 'Q5_K_S', '--dry-run', '--json');
    const plan = JSON.parse(stdout);
    expect(plan).toMatchObject({ container: 'safetensors', architecture: 'sdxl', type: 'Q5_K_S' });
    expect((await run('--type', 'Q5_K_S', '--quiet')).code).toBe(0);
    expect(plan.output).toEqual({
      ...{ container: 'gguf', layout: 'plain', files: 1, bytes: readFileSync(folder.path('sdxl-Q5_K_S.gguf')).length },
    });
  });

  test('of affine levels', async () => {
    const { stdout } = await run('--bits', '8', '--dry-run');
    expect(stdout).toMatch(/^int8 g128: \d tensors to convert, \d to keep$/m);
    expect(folder.list()).toEqual(['sdxl.safetensors']);
  });

  test('of the file that the output has the name of', async () => {
    const { code, stdout } = await run('out.safetensors', '--type', 'F16', '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^safetensors, one file of \d+ bytes; nothing was written$/m);
  });

  test.each([
    [
      ['out.safetensors', '--type', 'Q8_0'],
      /needs an output whose name ends with \.gguf|whose name ends with \.gguf, but/,
    ],
    [['out.gguf', '--bits', '4'], /bits has no meaning|ends with \.safetensors/],
    [['out.bin', '--type', 'Q8_0'], /out\.bin/],
    [['out-00001-of-00002.gguf', '--type', 'Q8_0'], /is named as one of 2 shards/],
    [['out.gguf', '--memory-limit', '1MB'], /memoryLimit is 1000000, must be/],
  ])('refuses what the conversion would refuse: %j', async (parameters, says) => {
    for (const more of [[], ['--dry-run']]) {
      const { code, stdout, stderr } = await run(...parameters, ...more);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(says);
    }
    expect(folder.list()).toEqual(['sdxl.safetensors']);
  });

  test.each([
    [['sdxl.safetensors', '--bits', '8'], /Cannot write sdxl\.safetensors: it is the input/],
    [['link.safetensors', '--bits', '8'], /Cannot write link\.safetensors: it is the input/],
    [['folder.gguf'], /Cannot write folder\.gguf: it is a folder/],
    [['nowhere/out.gguf'], /Cannot write nowhere\/out\.gguf: there is no such file or folder/],
  ])('refuses a place that the conversion would refuse: %j', async (parameters, says) => {
    symlinkSync('sdxl.safetensors', folder.path('link.safetensors'));
    mkdirSync(folder.path('folder.gguf'));
    const before = folder.list();
    for (const more of [['--dry-run'], []]) {
      const { code, stderr } = await run(...parameters, ...more);
      expect(code).toBe(1);
      expect(stderr).toMatch(says);
    }
    expect(folder.list()).toEqual(before);
  });

  test('looks at each of several files', async () => {
    writeSparseModel(folder.path('large.safetensors'), 2 ** 23, 2);
    mkdirSync(folder.path('out-00002-of-00002.gguf'));
    const before = folder.list();
    for (const more of [['--dry-run'], []]) {
      const parameters = ['large.safetensors', 'out.gguf', '--architecture', 'none', '--split-size', '1MB', ...more];
      const { code, stderr } = await runCommand(['quantize', ...parameters, '--type', 'Q8_0'], { cwd: folder.at });
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/Cannot write out\.gguf: it is a folder/),
      });
    }
    expect(folder.list()).toEqual(before);
  });
});
