import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../../tools/lib/paths.mjs';
import { makeProjectWithPackage } from '../places/installed.mjs';
import { commandsOf } from './support/commands.mjs';
import { filesOf } from './support/files.mjs';
import { kParts, kSettings, writeLanguageModel } from './support/model.mjs';
import { processAtPort, variableOf } from './support/processes.mjs';
import { startSlurm } from './support/slurm.mjs';
import { serveWithTrouble } from './support/troubled-server.mjs';

/** Where in the model, as parts of its length, a connection is cut, and a task is killed. */
const kCut = 0.35;
const kKilled = 0.65;
/** On a machine that does a lot besides. */
const kTaskSeconds = 180;

let project;
let cluster;
let server;
let expected;

const at = (name) => path.join(project.folder, name);
const [, submit, submitAgain] = commandsOf('slurm');

/** Runs commands as somebody in the project's folder would; resolves to the variables that are named, and to what was printed. */
async function type(commands, names = []) {
  const tell = names.map((name) => `echo "${name}=$${name}"`).join('\n');
  const env = { ...kSettings, SOURCE: server.url, OUTPUT: at('out/model.gguf') };
  const printed = await cluster.run('bash', ['-euo', 'pipefail', '-c', `${commands}\n${tell}`], {
    cwd: project.folder,
    env,
  });
  return Object.fromEntries(printed.split('\n').map((line) => line.split(/=(.*)/).slice(0, 2)));
}

/** Waits for the end of jobs, and resolves to the states of their tasks. */
async function ended(...jobs) {
  const isAtWork = (state) => !/^(COMPLETED|FAILED|CANCELLED|TIMEOUT|OUT_OF_MEMORY|NODE_FAIL)$/.test(state);
  const look = async () => {
    const states = Object.assign({}, ...(await Promise.all(jobs.map((job) => cluster.states(job)))));
    return Object.values(states).some(isAtWork) ? null : states;
  };
  const states = await cluster.until(`jobs ${jobs.join(' and ')} have ended`, look, kTaskSeconds);
  if (Object.values(states).some((state) => state !== 'COMPLETED')) console.error(cluster.logs());
  return states;
}

beforeAll(async () => {
  project = await makeProjectWithPackage();
  for (const name of ['out', 'expected']) mkdirSync(at(name));
  copyFileSync(inProject('examples/slurm/quantize.sbatch'), at('quantize.sbatch'));
  const contents = writeLanguageModel(at('model.gguf'));
  const position = (part) => Math.floor(part * contents.length);
  server = await serveWithTrouble(contents, { cutAt: position(kCut), holdAt: position(kKilled) });
  cluster = await startSlurm(project.folder);
  const parameters = ['--type', kSettings.TYPE, '--split-size', kSettings.SPLIT_SIZE, '--quiet'];
  const command = ['arrowquant', 'quantize', 'model.gguf', 'expected/model.gguf', ...parameters];
  await cluster.run('npx', command, { cwd: project.folder });
  expected = filesOf(at('expected'));
}, 120_000);

afterAll(async () => {
  await cluster?.end();
  await server?.close();
  project?.remove();
});

test(
  'an array of tasks, one killed and one cut off in the middle, writes what one run does',
  async () => {
    const { parts, job, check } = await type(submit, ['parts', 'job', 'check']);
    expect([Number(parts), expected.size]).toEqual([kParts, kParts]);

    const port = await cluster.until('a task reads what is held back', () => server.trouble.port, kTaskSeconds);
    const reader = processAtPort(port);
    const killed = variableOf(reader, 'SLURM_ARRAY_TASK_ID');
    process.kill(reader, 'SIGKILL');
    const states = await ended(job, check);
    const names = Array.from({ length: kParts }, (_, index) => `${job}_${index + 1}`);
    expect(states).toEqual(Object.fromEntries([...names, check].map((name) => [name, 'COMPLETED'])));
    expect(await cluster.run('scontrol', ['show', 'job', `${job}_${killed}`])).toMatch(/ Restarts=1 /);
    expect(server.trouble).toMatchObject({ cuts: 1, holds: 1 });
    expect(filesOf(at('out'))).toEqual(expected);
  },
  2 * kTaskSeconds * 1000 + 60_000,
);

test(
  'the files that verify names are written again, and no others',
  async () => {
    const names = [...expected.keys()];
    rmSync(at(`out/${names[1]}`));
    const damaged = readFileSync(at(`out/${names[3]}`));
    damaged[damaged.length >> 1] ^= 1;
    writeFileSync(at(`out/${names[3]}`), damaged);

    const { missing, again } = await type(submitAgain, ['missing', 'again']);
    expect(missing).toBe('2,4');
    expect(await ended(again)).toEqual({ [`${again}_2`]: 'COMPLETED', [`${again}_4`]: 'COMPLETED' });
    expect(filesOf(at('out'))).toEqual(expected);
    await type('npx arrowquant verify "$OUTPUT"');
  },
  2 * kTaskSeconds * 1000 + 60_000,
);
