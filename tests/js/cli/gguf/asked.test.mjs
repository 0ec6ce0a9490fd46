import { readFileSync } from 'node:fs';
import { beforeEach, expect, test } from '@jest/globals';
import { ggufFile, readGguf, tinyLlama } from '../../../peers/tiny-llama.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { runCommand } from '../support/command.mjs';

const folder = useFolder();
const quantize = (...options) => runCommand(['quantize', 'in.gguf', 'out.gguf', ...options], { cwd: folder.at });

beforeEach(() => folder.write('in.gguf', ggufFile(tinyLlama({ layers: 3 }))));

/** Pairs, and types by name, of the file that is written with these options. */
async function made(...options) {
  expect(await quantize('--no-metrics', '--quiet', ...options)).toMatchObject({ code: 0, stderr: '' });
  const { keyValues, tensors } = readGguf(readFileSync(folder.path('out.gguf')));
  return { keyValues, types: Object.fromEntries(tensors.map(({ name, type }) => [name, type])) };
}

test('types of the output and the embeddings, pairs, and layers that are left out', async () => {
  const { keyValues, types } = await made(
    ...['--type', 'Q4_0', '--output-type', 'q8_0', '--embedding-type', 'Q5_1', '--prune-layers', '0,2'],
    ...['--override-kv', 'general.name=str:mine: a=b', '--override-kv', 'a.number=int:7', '--kv', 'a.half=f32:0.5'],
  );
  expect(types).toMatchObject({ 'output.weight': 'Q8_0', 'token_embd.weight': 'Q5_1', 'blk.0.attn_q.weight': 'Q4_0' });
  expect(Object.keys(types).some((name) => name.startsWith('blk.1.'))).toBe(false);
  const said = ['general.name', 'a.number', 'a.half', 'llama.block_count'].map((key) => keyValues.get(key));
  expect(said).toEqual(['mine: a=b', 7, 0.5, 1]);
});

test('rules of a file come after those of the command, and are read in lower case', async () => {
  folder.write('types.txt', 'ATTN_V=Q8_0\n\n  ffn_(up|gate)=q5_0\tattn_q=Q4_1\n');
  const { types } = await made(
    '--type',
    'Q4_0',
    '--leave-output',
    '--rule',
    'attn_q=Q5_1',
    '--tensor-type-file',
    'types.txt',
  );
  expect(types).toMatchObject({
    ...{ 'output.weight': 'F16', 'blk.0.attn_v.weight': 'Q8_0', 'blk.2.ffn_gate.weight': 'Q5_0' },
    ...{ 'blk.1.attn_q.weight': 'Q5_1', 'blk.1.attn_k.weight': 'Q4_0' },
  });
});

test('what is given more than once counts together', async () => {
  folder.write('some.txt', 'attn_v=Q8_0');
  folder.write('more.txt', 'attn_q=Q5_0');
  const { types } = await made(
    ...['--type', 'Q4_0', '--tensor-type-file', 'some.txt', '--tensor-type-file', 'more.txt'],
    ...['--prune-layers', '0', '--prune-layers', '2'],
  );
  expect(types).toMatchObject({ 'blk.0.attn_v.weight': 'Q8_0', 'blk.0.attn_q.weight': 'Q5_0' });
  expect(Object.keys(types).some((name) => name.startsWith('blk.1.'))).toBe(false);
});

test('COPY keeps every type', async () => {
  const { types } = await made('--type', 'copy', '--keep-split', '--prune-layers', '1');
  expect(types['blk.1.attn_q.weight']).toBe('F16');
});

test.each([
  [['--prune-layers', '1,'], 'It must be numbers of layers'],
  [['--override-kv', 'a.key=u32:1'], 'It must be a key, int, float, bool or str'],
  [['--override-kv', 'a.key=int:-1'], 'must be a whole number from 0'],
  [['--output-type', 'Q9'], 'outputType is "Q9", must be'],
  [['--tensor-type-file', 'none.txt'], 'It cannot be read'],
  [['--tensor-type-file', 'in.txt'], 'which is no pattern and type'],
])('%j is refused', async (options, message) => {
  folder.write('in.txt', 'attn_v=Q9\n');
  const { code, stderr } = await quantize('--type', 'Q4_0', ...options);
  expect(code).not.toBe(0);
  expect(stderr).toContain(message);
  expect(folder.list()).toEqual(['in.gguf', 'in.txt']);
});
