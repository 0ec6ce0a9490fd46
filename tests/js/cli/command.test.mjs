import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { makeSampleModel } from '../../../tools/make-sample-model.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { kHostileFiles } from '../support/models/hostile.mjs';
import { float32Tensor, halfTensor, modelFile } from '../support/models/safetensors.mjs';
import { fixtureUrl } from '../support/child.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(parameters, { cwd: folder.at });

/** One clear sentence: a line that ends without a stack. */
const kOneSentence = /^error: [^\n]+\n$/;

const kModel = modelFile([
  float32Tensor('unet.mid_block.proj.weight', [64, 64], 1),
  halfTensor('unet.conv_in.weight', [32, 4, 3, 3], 2),
  float32Tensor('norm.weight', [64], 3),
]);

describe('arrowquant quantize', () => {
  // /dev/full stands for any stream that cannot be written to.
  test('says in one sentence that its report cannot be printed', async () => {
    folder.write('in.safetensors', kModel);
    const wrapper = ['sh', '-c', 'exec "$0" "$@" > /dev/full'];
    const parameters = ['quantize', 'in.safetensors', '--json'];
    const { code, stderr } = await runCommand(parameters, { cwd: folder.at, wrapper });
    expect(code).toBe(1);
    expect(stderr).toMatch(kOneSentence);
    expect(stderr).toContain('the report cannot be printed');
    expect(folder.list()).toContain('in-int4.safetensors');
  });

  test('goes on when its progress cannot be written', async () => {
    folder.write('in.safetensors', kModel);
    const wrapper = ['sh', '-c', 'exec "$0" "$@" 2> /dev/full'];
    const { code, stdout } = await runCommand(['quantize', 'in.safetensors'], { cwd: folder.at, wrapper });
    expect(code).toBe(0);
    expect(stdout).toMatch(/3 tensors, 1 converted, 2 kept as they were/);
    expect(folder.list()).toContain('in-int4.safetensors');
  });

  test('prints a table, totals and the name of the output, and plain progress on stderr', async () => {
    makeSampleModel(folder.path('model.safetensors'), { megabytes: 1 });
    const { code, stdout, stderr } = await run('quantize', 'model.safetensors', '--threads', '2');
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^tensor +shape +from → to +bytes +RMSE +cosine$/);
    expect(stdout).toMatch(/unet\.conv_in\.weight +32×4×3×3 +F16 kept \(first convolution\)/);
    expect(stdout).toMatch(
      /unet\.down_blocks\.0\.resnets\.0\.conv1\.weight +32×32×3×3 +F16 → int4 g128 +18\.4 kB → 4\.97 kB +\d\.\d\de-\d +0\.9\d{5}\n/,
    );
    expect(lines.at(-4)).toMatch(/^int4 g128: 180 tensors, \d+ converted, \d+ kept as they were$/);
    expect(lines.at(-3)).toBe('2.40 MB → 564 kB (4.26 times smaller), 5.40 bits a weight');
    expect(lines.at(-2)).toMatch(/^\d.* s, \d+\.\d\d GB\/s$/);
    expect(lines.at(-1)).toBe('model-int4.safetensors');
    expect(folder.list()).toEqual(['model-int4.safetensors', 'model.safetensors']);
    expect(stderr).toMatch(/^\d+ %: \d+ of 180 tensors, .* GB\/s, ETA .*: \S+\n/m);
    expect(stderr).toMatch(/^100 %: 180 of 180 tensors, /m);
    expect(stderr).not.toContain('\u001b');
  });

  test('writes to the file that it is given, with the settings that it is given', async () => {
    folder.write('in.safetensors', kModel);
    const parameters = ['--bits', '8', '--group-size', '32', '--symmetric', '--mode', 'base', '--json'];
    const { code, stdout, stderr } = await run('quantize', 'in.safetensors', 'small.safetensors', ...parameters);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      input: 'in.safetensors',
      output: 'small.safetensors',
      totals: { tensors: 3, kept: 1 },
    });
    expect(report.tensors.map(({ to }) => to)).toEqual(['F32', 'int8 g32 symmetric', 'int8 g32 symmetric']);
    expect(report.totals.fileBytes).toBe(readFileSync(folder.path('small.safetensors')).length);
  });

  test('takes bits and group size from a profile', async () => {
    folder.write('in.safetensors', kModel);
    const { stdout } = await run('quantize', 'in.safetensors', '--profile', 'edge', '--json');
    const report = JSON.parse(stdout);
    expect(report.output).toBe('in-int2.safetensors');
    expect(report.tensors.find(({ rule }) => rule === null).to).toBe('int2 g256');
  });

  test('writes to a file system that does not say how large it is', async () => {
    folder.write('in.safetensors', kModel);
    const nodeFlags = ['--import', fixtureUrl('no-statfs.mjs')];
    const outcome = await runCommand(['quantize', 'in.safetensors', '--quiet'], { cwd: folder.at, nodeFlags });
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(folder.list()).toEqual(['in-int4.safetensors', 'in.safetensors']);
  });

  test('names the output after the bits, also for a sharded model', async () => {
    makeSampleModel(folder.path('model.safetensors.index.json'), { megabytes: 1, shards: 2 });
    const { code } = await run('quantize', 'model.safetensors.index.json', '--bits', '2', '--quiet');
    expect(code).toBe(0);
    expect(folder.list()).toContain('model-int2.safetensors');
  });

  test('says nothing when it is to be quiet', async () => {
    folder.write('in.safetensors', kModel);
    expect(await run('quantize', 'in.safetensors', '--quiet')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('does not let names steer the terminal', async () => {
    folder.write('in.safetensors', modelFile([float32Tensor('a\u001b[2J\u0007.weight', [64, 64])]));
    const { stdout, stderr } = await run('quantize', 'in.safetensors');
    // eslint-disable-next-line no-control-regex
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});

describe('bad input', () => {
  const kOfTheList = [
    ...['a truncated file', 'a header that ends beyond the file', 'overlapping tensors', 'offsets beyond the file'],
    ...['shape × dtype ≠ bytes', 'a name twice', 'a header that is no JSON', 'an unknown dtype'],
  ];

  test.each(kHostileFiles.filter(({ title }) => kOfTheList.includes(title)))(
    '$title: one sentence, exit code 1, the old output untouched',
    async ({ file, says }) => {
      folder.write('in.safetensors', file);
      folder.write('out.safetensors', 'the old output');
      const { code, stdout, stderr } = await run('quantize', 'in.safetensors', 'out.safetensors');
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(kOneSentence);
      expect(stderr).toMatch(says);
      expect(stderr).toContain('in.safetensors');
      expect(readFileSync(folder.path('out.safetensors'), 'utf8')).toBe('the old output');
      expect(folder.list()).toEqual(['in.safetensors', 'out.safetensors']);
    },
  );

  test('does not let an error steer the terminal', async () => {
    const name = 'in\u001b[2J\n\u009b\u202e.safetensors';
    const { code, stderr } = await run('inspect', name);
    expect(code).toBe(1);
    expect(stderr).toMatch(kOneSentence);
    expect(stderr).toMatch(/^[^\p{Cc}\p{Cf}]+\n$/u);
  });

  test('NaN: names file, tensor and index', async () => {
    const tensor = float32Tensor('unet.proj.weight', [64, 64]);
    tensor.bytes.writeFloatLE(NaN, 1234 * 4);
    folder.write('in.safetensors', modelFile([tensor]));
    const { code, stderr } = await run('quantize', 'in.safetensors');
    expect(code).toBe(1);
    expect(stderr).toBe('error: NaN or infinity in layer "unet.proj.weight" in in.safetensors at index 1234\n');
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('missing files, folders and shards', async () => {
    folder.write('in.safetensors', kModel);
    folder.write('m.safetensors.index.json', '{"weight_map":{"a":"lost.safetensors"}}');
    for (const [parameters, says] of [
      [['none.safetensors'], /Cannot read none\.safetensors: there is no such file/],
      [
        ['in.safetensors', 'none/out.safetensors'],
        /Cannot write none\/out\.safetensors: there is no such file or folder/,
      ],
      [['m.safetensors.index.json'], /shard lost\.safetensors is missing/],
      [['in.safetensors', 'in.safetensors'], /Cannot write in\.safetensors: it is the input/],
    ]) {
      const { code, stderr } = await run('quantize', ...parameters);
      expect(code).toBe(1);
      expect(stderr).toMatch(kOneSentence);
      expect(stderr).toMatch(says);
    }
    expect(folder.list()).toEqual(['in.safetensors', 'm.safetensors.index.json']);
  });

  test('no room: a limit on the size of files', async () => {
    folder.write('in.safetensors', modelFile([float32Tensor('norm.weight', [1000, 1000])]));
    folder.write('out.safetensors', 'the old output');
    // In blocks of 512 or 1024 bytes, by shell: less than the 4 MB that are to be written in any case.
    const wrapper = ['/bin/sh', '-c', 'ulimit -f 1000; exec "$@"', 'sh'];
    const parameters = ['quantize', 'in.safetensors', 'out.safetensors'];
    const { code, stderr } = await runCommand(parameters, { cwd: folder.at, wrapper });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: There is no room for out\.safetensors: [^\n]+\n$/m);
    expect(readFileSync(folder.path('out.safetensors'), 'utf8')).toBe('the old output');
    expect(folder.list()).toEqual(['in.safetensors', 'out.safetensors']);
  });
});

describe('usage', () => {
  test.each([
    [['quantize']],
    [['quantize', 'in.safetensors', '--bits', '3']],
    [['quantize', 'in.safetensors', '--group-size', '100']],
    [['quantize', 'in.safetensors', '--threads', '0']],
    [['quantize', 'in.safetensors', '--json', '--quiet']],
    [['quantize', 'in.safetensors', 'out.bin']],
    [['quantize', 'a', 'b', 'c']],
    [['compare', 'a']],
    [['frobnicate']],
    [['--frobnicate']],
  ])('%j ends with exit code 2 and writes nothing', async (parameters) => {
    folder.write('in.safetensors', kModel);
    const { code, stdout, stderr } = await run(...parameters);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^error: /);
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('--help says what there is, with examples and exit codes', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    for (const word of ['quantize', 'dequantize', 'inspect', 'compare', 'Exit codes', '130'])
      expect(stdout).toContain(word);
    for (const command of ['quantize', 'dequantize', 'inspect', 'compare']) {
      const help = await run(command, '--help');
      expect(help.code).toBe(0);
      expect(help.stdout).toMatch(/^Examples?:\n {2}\$ arrowquant /m);
      expect(help.stdout.replace(/\s+/g, ' ')).toMatch(/^Usage: .* a folder, or hf:organization\/model/);
    }
  });

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
    expect(await run('--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});

describe('the other commands', () => {
  test('dequantize brings a quantized file back, by default beside it', async () => {
    folder.write('in.safetensors', kModel);
    await run('quantize', 'in.safetensors', '--bits', '8');
    const { code, stdout } = await run('dequantize', 'in-int8.safetensors');
    expect(code).toBe(0);
    expect(stdout).toMatch(/unet\.mid_block\.proj\.weight +64×64 +int8 g128 → F32/);
    expect(stdout).toMatch(/norm\.weight +64 +F32 kept \(not quantized\)/);
    expect(folder.list()).toContain('in-int8-restored.safetensors');
  });

  test('inspect lists tensors, as a table and as JSON', async () => {
    folder.write('in.safetensors', kModel);
    await run('quantize', 'in.safetensors');
    const { code, stdout } = await run('inspect', 'in-int4.safetensors');
    expect(code).toBe(0);
    expect(stdout).toMatch(/unet\.mid_block\.proj\.weight +64×64 +int4 g128 of F32 +2\.21 kB/);
    expect(stdout).toMatch(/safetensors, one file\n3 tensors, 5312 elements/);
    const inspection = JSON.parse((await run('inspect', 'in-int4.safetensors', '--json')).stdout);
    expect(inspection.tensors.map(({ type }) => type)).toEqual(['F32', 'F16', 'int4 g128']);
  });

  test('compare tells what was lost, and ends with 3 when tensors are missing', async () => {
    folder.write('in.safetensors', kModel);
    await run('quantize', 'in.safetensors');
    const same = await run('compare', 'in.safetensors', 'in-int4.safetensors');
    expect(same.code).toBe(0);
    expect(same.stdout).toMatch(/unet\.mid_block\.proj\.weight +64×64 +F32 +int4 g128 +\d\.\d\de-\d/);
    expect(same.stdout).toMatch(/3 tensors compared, 2 of them equal/);
    folder.write('other.safetensors', modelFile([float32Tensor('norm.weight', [8, 8])]));
    const other = await run('compare', 'in.safetensors', 'other.safetensors');
    expect(other.code).toBe(3);
    expect(other.stdout).toMatch(/shapes differ: norm\.weight: 64, 8×8\nonly in A: unet\.conv_in\.weight/);
  });
});
