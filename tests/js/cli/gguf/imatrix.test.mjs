import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ggufFile, readGguf, tinyLlama } from '../../../peers/tiny-llama.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { imatrixDat, imatrixGguf, seededEntries } from '../../support/models/imatrix.mjs';
import { runCommand } from '../support/command.mjs';

const folder = useFolder();
const kModel = tinyLlama({ layers: 1, experts: 4, hidden: 256, seed: 5 });
const kEntries = seededEntries(kModel);

const run = (...parameters) => runCommand(parameters, { cwd: folder.at });

test('quantize takes a matrix, and which of its entries are used', async () => {
  folder.write('in.gguf', ggufFile(kModel));
  folder.write('imatrix.gguf', imatrixGguf(kEntries));
  const command = ['quantize', 'in.gguf', 'out.gguf', '--type', 'Q4_K_M', '--imatrix', 'imatrix.gguf', '--quiet'];
  const done = await run(...command, '--include-weights', 'attn_q,attn_k', '--include-weights', 'ffn_down');
  expect([done.code, done.stderr]).toEqual([0, '']);
  const { keyValues } = readGguf(readFileSync(folder.path('out.gguf')));
  expect([...keyValues].slice(-4)).toEqual([
    ['quantize.imatrix.file', 'imatrix.gguf'],
    ['quantize.imatrix.dataset', 'wiki.train.raw'],
    ['quantize.imatrix.entries_count', 3],
    ['quantize.imatrix.chunks_count', 4],
  ]);
  const refused = await run(...command, '--exclude-weights', 'a', '--include-weights', 'b');
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be used with') });
  const empty = await run(...command, '--exclude-weights', 'a,');
  expect(empty).toMatchObject({ code: 2, stderr: expect.stringContaining('separated by commas') });
});

test('a dry run and the report say how hard the search is, and how many tensors are weighed', async () => {
  folder.write('in.gguf', ggufFile(kModel));
  folder.write('imatrix.gguf', imatrixGguf(kEntries));
  const command = ['quantize', 'in.gguf', 'out.gguf', '--type', 'Q4_K_M'];
  const plain = await run(...command, '--dry-run');
  expect(plain.stdout).toMatch(/ bits a weight, effort reference$/mu);
  const weighed = [...command, '--imatrix', 'imatrix.gguf', '--include-weights', 'attn_q,attn_k', '--effort', 'best'];
  for (const more of [['--dry-run'], []]) {
    const { stdout } = await run(...weighed, ...more);
    expect(stdout).toMatch(/ bits a weight, effort best, 2 tensors weighed by importance$/mu);
  }
});

test('inspect lists what a matrix has for each tensor', async () => {
  const entries = [
    ['blk.0.attn_q.weight', { sums: [0, 8, 4, 0], counts: [4] }],
    ['blk.0.ffn_up_exps.weight', { sums: [6, 3, 0, 0], counts: [3, 0] }],
  ];
  folder.write('imatrix.gguf', imatrixGguf(entries));
  folder.write(
    'old.dat',
    imatrixDat([['blk.0.attn_q.weight', { sums: [4, 8], chunks: 4 }]], { chunks: 4, dataset: 'a.txt' }),
  );
  const table = await run('inspect', 'imatrix.gguf');
  expect([table.code, table.stderr]).toEqual([0, '']);
  expect(table.stdout.split('\n').map((line) => line.replace(/ {2,}/gu, '|'))).toEqual([
    'tensor|columns|matrices|count|mean|largest|zeros',
    expect.stringMatching(/^─/u),
    'blk.0.attn_q.weight|4|1|4|7.50e-1|2.00e+0|50.0 %',
    'blk.0.ffn_up_exps.weight|2|2 (1 unseen)|0–3|1.25e+0|2.00e+0|0.0 %',
    '',
    'importance matrix, as a GGUF, for 2 tensors',
    '4 chunks of 512 tokens',
    'dataset: wiki.train.raw',
    '',
  ]);
  const old = await run('inspect', 'old.dat', '--json');
  expect(JSON.parse(old.stdout)).toEqual({
    ...{ file: 'old.dat', form: 'dat', datasets: ['a.txt'], chunks: 4, chunkSize: 0 },
    entries: [
      {
        ...{ name: 'blk.0.attn_q.weight', columns: 2, matrices: 1, unseen: 0, leastCount: 4, mostCount: 4 },
        ...{ mean: 1.5, max: 2, zeros: 0 },
      },
    ],
  });
  // Its pairs and tensors are those of any GGUF.
  const pairs = await run('inspect', 'imatrix.gguf', '--kv');
  expect(pairs.stdout).toContain('general.type: imatrix\n');
});
