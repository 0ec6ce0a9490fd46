import { readFileSync, statSync, utimesSync, watch, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { ggufFile, readGguf, tinyLlama } from '../../peers/tiny-llama.mjs';
import { runCommand, startCommand } from '../cli/support/command.mjs';
import { answer, rangeOf, useServers } from '../runtime/support/server.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { killConversion } from '../support/models/kill.mjs';
import { halfTensor, modelFile, readModel } from '../support/models/safetensors.mjs';

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Tensors of 512 kB, which are read one by one. */
const kTensors = Array.from({ length: 8 }, (_, i) => halfTensor(`layer.${i}.weight`, [1024, 256], i + 1));
const kModel = modelFile(kTensors);
const swapped = (bytes) => Buffer.concat([bytes.subarray(1024), bytes.subarray(0, 1024)]);
/** Another one of the same names and sizes. */
const kOther = modelFile(
  kTensors.map(({ name, shape, bytes }) => ({ name, dtype: 'F16', shape, bytes: swapped(bytes) })),
);
/** From here on the server does not answer: within tensor 5. */
const kHeldFrom = readModel(kModel).tensors.get('layer.5.weight').begin + 1000;
const kJournal = '.out.gguf.arrowquant-journal';

const isKept = (name) => name.includes('.arrowquant-');

/** Names of the tensors that the journal in the folder says are complete. */
function completedTensors() {
  const [, ...lines] = readFileSync(folder.path(kJournal), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(JSON.parse(line).completed)[0]);
}

/** A server whose file can be changed. It does not answer requests that end beyond `limit`; `held` resolves at the first. */
async function serveModel() {
  let hold;
  const state = {
    contents: kModel,
    tag: '"one"',
    limit: kHeldFrom,
    asked: [],
    held: new Promise((call) => (hold = call)),
  };
  const { url } = await servers.serve((request, response) => {
    const [begin, end] = rangeOf(request, state.contents.length);
    state.asked.push(begin);
    if (end > state.limit) hold();
    else answer(request, response, state.contents, { etag: state.tag });
  });
  return Object.assign(state, { url: url('/m.safetensors') });
}

/** Resolves when something in the folder has changed so that `holds` does. */
function untilFolder(holds) {
  return new Promise((resolve) => {
    const watcher = watch(folder.at, () => {
      if (!holds()) return;
      watcher.close();
      resolve();
    });
    if (holds()) {
      watcher.close();
      resolve();
    }
  });
}

/** The model is of no family. */
const commandFor = ({ url }) => ['quantize', url, 'out.gguf', '--architecture', 'none'];

/** Runs the command up to where the server stops, with --resume until two tensors are noted, and ends it by `signal`. */
async function interrupt(server, signal, parameters) {
  const command = startCommand([...commandFor(server), ...parameters], { cwd: folder.at });
  await server.held;
  if (parameters.includes('--resume')) {
    await untilFolder(() => folder.list().includes(kJournal) && completedTensors().length >= 2);
  }
  command.child.kill(signal);
  return command.ended;
}

/** What an uninterrupted conversion gives. */
async function wholeConversion(contents, type) {
  const input = folder.write('whole.safetensors', contents);
  await quantizer.quantizeFile(input, folder.path('whole.gguf'), { type, architecture: 'none' });
  return readFileSync(folder.path('whole.gguf'));
}

describe('arrowquant quantize --resume, killed', () => {
  async function killedAndGoingOn(contentsAfter, parameters, tag) {
    const server = await serveModel();
    const { signal } = await interrupt(server, 'SIGKILL', ['--type', 'Q4_K_M', '--resume']);
    expect(signal).toBe('SIGKILL');
    expect(folder.list()).not.toContain('out.gguf');
    const completed = completedTensors();
    expect(completed.length).toBeGreaterThanOrEqual(2);
    Object.assign(server, { contents: contentsAfter(completed), limit: Infinity, tag, asked: [] });
    const outcome = await runCommand([...commandFor(server), ...parameters], { cwd: folder.at });
    expect(outcome.code).toBe(0);
    return { completed, asked: server.asked, outcome };
  }

  /** The model with NaN wherever one of the tensors is. */
  function spoiled(names) {
    const bytes = Buffer.from(kModel);
    const { tensors } = readModel(bytes);
    for (const name of names) tensors.get(name).bytes.fill(0xff);
    return bytes;
  }

  test('goes on at the last whole tensor: what is done is not even read, and the file is that of one run', async () => {
    const parameters = ['--type', 'Q4_K_M', '--resume', '--json'];
    const { completed, asked, outcome } = await killedAndGoingOn(spoiled, parameters, '"one"');
    const { tensors } = readModel(kModel);
    for (const name of completed) expect(asked).not.toContain(tensors.get(name).begin);
    expect(folder.list()).toEqual(['out.gguf']);
    expect(readFileSync(folder.path('out.gguf')).equals(await wholeConversion(kModel, 'Q4_K_M'))).toBe(true);
    // The report is of all tensors, with what the first run measured.
    const options = { type: 'Q4_K_M', architecture: 'none' };
    const report = await quantizer.quantizeFile(folder.path('whole.safetensors'), folder.path('a.gguf'), options);
    expect(JSON.parse(outcome.stdout).tensors).toEqual(report.tensors);
  });

  test.each([
    ['without --resume', ['--type', 'Q4_K_M'], '"one"'],
    ['with another type', ['--type', 'Q5_K_M', '--resume'], '"one"'],
    ['without metrics', ['--type', 'Q4_K_M', '--resume', '--no-metrics'], '"one"'],
    ['with another version of the input', ['--type', 'Q4_K_M', '--resume'], '"two"'],
  ])('starts anew %s', async (_, parameters, tag) => {
    const { completed, asked } = await killedAndGoingOn(() => kOther, parameters, tag);
    const { tensors } = readModel(kOther);
    for (const name of completed) expect(asked).toContain(tensors.get(name).begin);
    expect(readFileSync(folder.path('out.gguf')).equals(await wholeConversion(kOther, parameters[1]))).toBe(true);
  });
});

describe('an interrupt', () => {
  test('without --resume leaves nothing behind', async () => {
    const outcome = await interrupt(await serveModel(), 'SIGINT', ['--type', 'Q4_K_M']);
    expect(outcome.code).toBe(130);
    expect(outcome.stderr).toMatch(/interrupted by SIGINT; nothing was written\n$/);
    expect(folder.list()).toEqual([]);
  });

  test('with --resume leaves what is done, under no final name', async () => {
    const outcome = await interrupt(await serveModel(), 'SIGINT', ['--type', 'Q4_K_M', '--resume']);
    expect(outcome.code).toBe(130);
    expect(outcome.stderr).toMatch(/interrupted by SIGINT; the same command goes on from there\n$/);
    expect(folder.list().filter((name) => !isKept(name))).toEqual([]);
    expect(completedTensors().length).toBeGreaterThanOrEqual(2);
  });
});

describe.each([
  ['one file', {}],
  ['shards', { splitSize: 1e6 }],
])('quantizeFile into %s, killed after some tensors', (_, split) => {
  test('goes on with the rest of a GGUF: the tensors that are done may be lost in the input', async () => {
    const options = { type: 'Q5_K_M', ...split };
    const model = ggufFile(tinyLlama({ layers: 4 }));
    const input = folder.write('in.gguf', model);
    // Times of whole seconds can be set again.
    const time = Math.floor(statSync(input).mtimeMs / 1000) - 10;
    utimesSync(input, time, time);
    const whole = await quantizer.quantizeFile(input, folder.path('whole.gguf'), options);
    const expected = whole.files.map((file) => readFileSync(file));
    const done = await killConversion(input, folder.path('out.gguf'), { ...options, resume: true }, 12);
    expect(done).toHaveLength(12);
    expect(folder.list().some((name) => name.startsWith('out'))).toBe(false);
    // NaN in the place of all weights that are done.
    const names = new Set(done);
    const spoiled = Buffer.from(model);
    for (const { name, bytes } of readGguf(spoiled).tensors) if (names.has(name)) bytes.fill(0xff);
    writeFileSync(input, spoiled);
    utimesSync(input, time, time);
    const report = await quantizer.quantizeFile(input, folder.path('out.gguf'), { ...options, resume: true });
    expect(report.files.map((file, i) => readFileSync(file).equals(expected[i]))).toEqual(expected.map(() => true));
    expect(report.tensors).toEqual(whole.tensors);
    expect(folder.list().filter(isKept)).toEqual([]);
    // The spoiled input was what was read: a new conversion finds it out.
    await expect(quantizer.quantizeFile(input, folder.path('new.gguf'), options)).rejects.toMatchObject({
      code: 'not_finite',
    });
  });
});
