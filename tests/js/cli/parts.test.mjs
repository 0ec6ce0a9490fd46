import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { inProject } from '../../../tools/lib/paths.mjs';
import { ggufFile, tinyLlama } from '../../peers/tiny-llama.mjs';
import { answer, useServers } from '../runtime/support/server.mjs';
import { askedPart } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { halfTensor, modelFile } from '../support/models/safetensors.mjs';
import { runCommand, startCommand } from './support/command.mjs';

const folder = useFolder();
const servers = useServers();
const kGguf = ggufFile(tinyLlama({ layers: 3 }));

/** An environment without tasks of any scheduler. */
const kPlain = { ...process.env, SLURM_ARRAY_TASK_ID: '', JOB_COMPLETION_INDEX: '' };
const run = (parameters, { env = {}, ...more } = {}) =>
  runCommand(parameters, { cwd: folder.at, env: { ...kPlain, ...env }, ...more });

const kSplit = ['--type', 'Q8_0', '--split-size', '1MB'];
const kQuantize = ['quantize', 'in.gguf', 'out.gguf', ...kSplit];
const nameOf = (part) => `out-0000${part}-of-00003.gguf`;
const read = (name) => readFileSync(folder.path(name));
const left = () => folder.list().filter((name) => name.startsWith('.'));

beforeEach(() => {
  folder.write('in.gguf', kGguf);
});

describe('arrowquant quantize', () => {
  test('--parts prints a number, and what they are as JSON', async () => {
    expect(await run([...kQuantize, '--parts'])).toMatchObject({ code: 0, stdout: '3\n', stderr: '' });
    const { parts } = JSON.parse((await run([...kQuantize, '--parts', '--json'])).stdout);
    expect(parts.map(({ part, file, files }) => [part, file, files])).toEqual([1, 2, 3].map((n) => [n, nameOf(n), 1]));
    expect((await run(['quantize', 'in.gguf', 'out.gguf', '--type', 'Q8_0', '--parts'])).stdout).toBe('1\n');
    expect(folder.list()).toEqual(['in.gguf']);
  });

  test('--parts names the files of safetensors, which have an index besides', async () => {
    const tensors = ['a', 'b', 'c'].map((name, index) => halfTensor(`${name}.weight`, [1024, 1024], index + 1));
    folder.write('in.safetensors', modelFile(tensors));
    const split = ['--bits', '8', '--split-size', '1500kB'];
    const { stdout } = await run(['quantize', 'in.safetensors', 'out.safetensors', ...split, '--parts', '--json']);
    await run(['quantize', 'in.safetensors', 'out.safetensors', ...split, '--quiet']);
    const written = folder.list().filter((name) => /^out-.*\.safetensors$/.test(name));
    expect(JSON.parse(stdout).parts.map(({ file }) => file)).toEqual(written);
    expect(written).toHaveLength(3);
  });

  test('--part writes one file and its manifest, and leaves it alone the second time', async () => {
    const { code, stdout } = await run([...kQuantize, '--part', '2']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^part 2 of 3\nout-00002-of-00003\.gguf\n$/m);
    expect(folder.list()).toEqual(['in.gguf', nameOf(2), `${nameOf(2)}.part.json`]);
    const again = await run([...kQuantize, '--part', '2']);
    expect(again).toMatchObject({
      ...{ code: 0, stdout: `part 2 of 3 is complete already, and is left alone: ${nameOf(2)}\n`, stderr: '' },
    });
    expect(await run([...kQuantize, '--part', '2', '--quiet'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('--part auto is the part of the task', async () => {
    const env = { JOB_COMPLETION_INDEX: '1' };
    expect((await run([...kQuantize, '--part', 'auto', '--quiet'], { env })).code).toBe(0);
    expect(folder.list()).toEqual(['in.gguf', nameOf(2), `${nameOf(2)}.part.json`]);
  });

  test.each([
    [3, {}, 3],
    [undefined, { SLURM_ARRAY_TASK_ID: '3' }, undefined],
    ['auto', { SLURM_ARRAY_TASK_ID: '3' }, 3],
    ['auto', { JOB_COMPLETION_INDEX: '0' }, 1],
    ['auto', { SLURM_ARRAY_TASK_ID: '2', JOB_COMPLETION_INDEX: '0' }, 2],
  ])('part %j in %j is part %j', (part, env, expected) => {
    expect(askedPart({ part }, env)).toBe(expected);
  });

  test.each([
    [{}, /--part auto needs SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX/],
    [{ SLURM_ARRAY_TASK_ID: '0' }, /SLURM_ARRAY_TASK_ID is "0".*as in --array=1-7/],
    [{ SLURM_ARRAY_TASK_ID: '4294967294' }, /SLURM_ARRAY_TASK_ID is "4294967294"/],
    [{ JOB_COMPLETION_INDEX: 'x' }, /JOB_COMPLETION_INDEX is "x"/],
  ])('refuses part auto in %j', (env, says) => {
    expect(() => askedPart({ part: 'auto' }, env)).toThrow(says);
  });

  test.each([
    [['--part', 'auto'], /--part auto needs SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX/],
    [['--part', '0'], /whole number from 1 on, or auto/],
    [['--part', '4'], /part is 4, but the output has 3 parts/],
    [['--part', '1', '--dry-run'], /cannot be used with/],
    [['--part', '1', '--parts'], /cannot be used with/],
    [['--format', 'onnx', '--type', 'q4', '--parts'], /an ONNX model is written in one piece/],
  ])('refuses %j', async (parameters, says) => {
    const { code, stdout, stderr } = await run([...kQuantize, ...parameters]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(says);
    expect(folder.list()).toEqual(['in.gguf']);
  });

  test('a full disk leaves no part and no manifest', async () => {
    // No file of more than 512 kB.
    const wrapper = ['sh', '-c', 'ulimit -f 1024; exec "$0" "$@"'];
    const { code, stderr } = await run([...kQuantize, '--part', '1', '--quiet'], { wrapper });
    expect([code, stderr]).toEqual([1, expect.stringContaining('There is no room for')]);
    expect(folder.list()).toEqual(['in.gguf']);
  });
});

describe('two tasks of one part', () => {
  /** The input on a server that stops in the middle until `release` is called; `held` resolves when it has, for both tasks. */
  async function serve() {
    let [release, hold] = [];
    const gate = new Promise((resolve) => (release = resolve));
    const held = new Promise((resolve) => (hold = resolve));
    const waiting = new Set();
    const { url } = await servers.serve((request, response) => {
      const isHeader = request.headers.range?.startsWith('bytes=0-') !== false;
      if (!isHeader && waiting.add(request.url).size === 2) hold();
      (isHeader ? Promise.resolve() : gate).then(() => answer(request, response, kGguf));
    });
    return { urls: [url('/in.gguf?task=1'), url('/in.gguf?task=2')], held, release };
  }

  const start = (url) =>
    startCommand(['quantize', url, 'out.gguf', ...kSplit, '--part', '2', '--quiet'], { cwd: folder.at, env: kPlain });

  test('at the same time are both right', async () => {
    const { urls, held, release } = await serve();
    const tasks = urls.map(start);
    await held;
    expect(left()).toHaveLength(2);
    release();
    for (const { ended } of tasks) expect(await ended).toMatchObject({ code: 0, stderr: '' });
    expect(left()).toEqual([]);
    const part = read(nameOf(2));
    await run([...kQuantize, '--quiet']);
    expect(part.equals(read(nameOf(2)))).toBe(true);
  });

  test('one of which is killed in the middle: the other goes on, and the next one tidies up', async () => {
    const { urls, held, release } = await serve();
    const [killed, other] = urls.map(start);
    const [url] = urls;
    await held;
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect(left()).toHaveLength(2);
    release();
    expect((await other.ended).code).toBe(0);
    expect((await run(['verify', 'out.gguf'])).stdout).toBe('1,3\n');
    const { stdout } = await run(['quantize', url, 'out.gguf', ...kSplit, '--part', '2']);
    expect(stdout).toContain('left alone');
    await run(['quantize', url, 'out.gguf', ...kSplit, '--part', '2', '--quiet', '--effort', 'better']);
    expect(left()).toEqual([]);
  });
});

describe('arrowquant verify', () => {
  test('prints what is to be written again, for --array, and nothing when all is there', async () => {
    await run([...kQuantize, '--part', '2', '--quiet']);
    const partial = await run(['verify', 'out.gguf']);
    expect([partial.code, partial.stdout]).toEqual([1, '1,3\n']);
    expect(partial.stderr).toMatch(/^part 1 is missing: .*\npart 3 is missing: .*\n$/);
    for (const part of partial.stdout.trim().split(',')) await run([...kQuantize, '--part', part, '--quiet']);
    const whole = await run(['verify', 'out.gguf']);
    expect([whole.code, whole.stdout]).toEqual([0, '']);
    expect(whole.stderr).toBe('out.gguf is whole: 3 parts, 1.93 MB\n');
    expect(await run(['verify', 'out.gguf', '--quiet'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const { code, stdout } = await run(['verify', 'out.gguf', '--json', '--remove-manifests']);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { whole: true, parts: 3, rerun: [] }]);
    expect(folder.list().filter((name) => name.endsWith('.json'))).toEqual([]);
  });

  test('ends with 3 where something is wrong that no part mends', async () => {
    for (const part of ['1', '2']) await run([...kQuantize, '--split-size', '1100kB', '--part', part, '--quiet']);
    for (const part of ['1', '2', '3']) await run([...kQuantize, '--part', part, '--quiet']);
    const { code, stdout, stderr } = await run(['verify', 'out.gguf']);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(/^(foreign: out-0000\d-of-00002\.gguf was made .*; delete it\n){2}$/);
    expect(await run(['verify', 'out.gguf', '--json'])).toMatchObject({ code: 3 });
    expect(await run(['verify', 'out.gguf', '--no-such-option'])).toMatchObject({ code: 2 });
  });

  test('hands numbers to sbatch as the example has it, and nothing where there are none', async () => {
    const text = readFileSync(inProject('examples/slurm/README.md'), 'utf8');
    const [again] = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, commands]) => commands).slice(-1);
    const functions = 'npx() { shift; "$NODE" "$MAIN" "$@"; }; sbatch() { echo "sbatch $*" >&2; }';
    const script = `NODE=$0; MAIN=$1; OUTPUT=out.gguf; ${functions}; ${again}`;
    const type = () => run([], { wrapper: ['bash', '-c', script] });
    expect((await type()).stderr).not.toContain('sbatch');
    await run([...kQuantize, '--part', '2', '--quiet']);
    expect((await type()).stderr).toContain('sbatch --parsable --array=1,3 quantize.sbatch\n');
  });

  test('says in one sentence that there is no part', async () => {
    const { code, stdout, stderr } = await run(['verify', 'none.gguf']);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toBe(
      'error: Cannot read none.gguf: no part of it is there: quantize --part has written none beside it\n',
    );
  });
});
