import { expect, test } from '@jest/globals';
import { runCommand } from '../cli/support/command.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile, rawFile } from '../support/models/safetensors.mjs';

const folder = useFolder();

test('a table of very many tensors overflowed the stack', async () => {
  const count = 150_000;
  const entries = Array.from(
    { length: count },
    (_, index) => `"${index}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`,
  );
  const file = folder.write('many.safetensors', rawFile(`{${entries.join(',')}}`));
  const { code, stdout, stderr } = await runCommand(['inspect', file]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toContain(`${count} tensors`);
});

test('JSON passed on what steers terminals, and is the same JSON without it', async () => {
  const name = 'a\u009b31m\u202e.weight';
  const file = folder.write('in.safetensors', modelFile([float32Tensor(name, [4, 32])], { '\u009b': '\u2028' }));
  const gguf = ['--type', 'Q8_0', '--architecture', 'none'];
  for (const command of [
    ['inspect', file, '--json'],
    ['compare', file, file, '--json'],
    ['quantize', file, folder.path('out.gguf'), '--json', ...gguf],
    ['quantize', file, '--json', ...gguf, '--dry-run'],
  ]) {
    const { code, stdout } = await runCommand(command);
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/[\u007f-\u009f\u2028\u202e]/u);
    expect(JSON.parse(stdout).tensors.map((tensor) => tensor.name)).toEqual([name]);
  }
});
