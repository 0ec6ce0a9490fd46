import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from '../../../dist/index.js';
import { useFolder } from '../support/models/folder.mjs';
import { floatsOf, readModel } from '../support/models/safetensors.mjs';
import { installExample } from './support/example.mjs';

const example = installExample('node');
const { loadQuantized } = await example.import('load-model.mjs');
const { makeSampleModel } = await example.import('sample-model.mjs');
const { serve } = await example.import('serve.mjs');
const folder = useFolder();
beforeAll(async () => {
  for (const name of ['a', 'b']) await makeSampleModel(example.path(`${name}.safetensors`), { layers: 4, width: 512 });
});
afterAll(example.remove);

const kModel = 'model.safetensors';
const kScript = fileURLToPath(new URL('./support/load-once.mjs', import.meta.url));

let server;
let requests;
/** Called with every request and response before the server deals with them. */
let onRequest;
let url;
beforeEach(async () => {
  requests = [];
  onRequest = () => undefined;
  copyFileSync(example.path('a.safetensors'), folder.path(kModel));
  server = await serve(folder.at, {
    onRequest: (request, response) => {
      requests.push(request);
      onRequest(request, response);
    },
  });
  url = new URL(kModel, server.url);
});
afterEach(() => server.close());

const load = (options) => loadQuantized(url, { type: 'Q8_0', cacheFolder: folder.path('cache'), ...options });
const methods = () => requests.map(({ method }) => method);
const rangeBytes = () =>
  requests
    .map(({ headers }) => /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? ''))
    .reduce((bytes, range) => bytes + (range === null ? 0 : Number(range[2]) - Number(range[1]) + 1), 0);
const lockOf = ({ file }) => file.replace(/gguf$/, 'lock');
/** Files in the cache, but for what the package keeps of unfinished ones. */
const entries = () =>
  existsSync(folder.path('cache')) ? readdirSync(folder.path('cache')).filter((name) => !name.startsWith('.')) : [];

/** Starts a process that loads the model, as another program would. */
function startLoader() {
  const child = spawn(process.execPath, [kScript, example.url('load-model.mjs').href, url.href, folder.path('cache')]);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (output.stdout += data));
  child.stderr.on('data', (data) => (output.stderr += data));
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }));
  return { child, ended };
}

describe('the quantize-on-load cache', () => {
  test('fetches and quantizes at first, and then asks the server once and reads the disk', async () => {
    const events = [];
    const first = await load({ onProgress: (event) => events.push(event) });
    expect(first.fromCache).toBe(false);
    const fractions = events.map(({ done, bytes }) => done / bytes);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    const fetched = requests.length;
    expect(fetched).toBeGreaterThan(2);
    const file = readFileSync(first.file);
    expect(file.toString('latin1', 0, 4)).toBe('GGUF');
    await first.close();

    const second = await load({ onProgress: () => expect('nothing').toBe('fetched') });
    expect([second.fromCache, second.file]).toEqual([true, first.file]);
    await second.get('layers.0.attention.weight');
    expect(methods().slice(fetched)).toEqual(['HEAD']);
    await second.close();
    expect(readFileSync(first.file).equals(file)).toBe(true);
  });

  test('gives the tensors’ names, shapes and values', async () => {
    const model = await load();
    const { tensors } = readModel(readFileSync(folder.path(kModel)));
    expect(model.names).toEqual([...tensors.keys()].sort());
    for (const name of model.names) {
      const original = floatsOf(tensors.get(name));
      const values = await model.get(name);
      expect(Object.prototype.toString.call(values)).toBe('[object Float32Array]');
      expect(values.length).toBe(original.length);
      expect(model.tensors.get(name).shape).toEqual(tensors.get(name).shape);
      // Half a step of the largest block: 127 steps reach to 0.075.
      const largest = values.reduce((most, value, index) => Math.max(most, Math.abs(value - original[index])), 0);
      expect(largest).toBeLessThan(0.0004);
    }
    const whole = await model.get('layers.1.attention.weight');
    const part = await model.get('layers.1.attention.weight', { begin: 1000, end: 1100 });
    expect([...part]).toEqual([...whole.subarray(1000, 1100)]);
    await expect(model.get('layers.9')).rejects.toMatchObject({ code: 'missing_tensor' });
    await model.close();
  });

  test('keeps what the package makes of the same file', async () => {
    const model = await load();
    const quantizer = await ArrowQuant.create();
    const options = { type: 'Q8_0', architecture: 'none' };
    await quantizer.quantizeFile(folder.path(kModel), folder.path('direct.gguf'), options);
    await quantizer.dispose();
    expect(readFileSync(model.file).equals(readFileSync(folder.path('direct.gguf')))).toBe(true);
    await model.close();
  });

  test('makes a new entry when the file on the server has changed, and one for each type', async () => {
    const first = await load();
    const values = await first.get('layers.0.norm.weight');
    copyFileSync(example.path('b.safetensors'), folder.path(kModel));
    utimesSync(folder.path(kModel), 1e9, 1e9);
    const second = await load();
    expect(second.fromCache).toBe(false);
    expect([...(await second.get('layers.0.norm.weight'))]).not.toEqual([...values]);
    const third = await load({ type: 'Q4_0' });
    expect(third.fromCache).toBe(false);
    expect(new Set([first, second, third].map(({ file }) => file)).size).toBe(3);
    for (const model of [first, second, third]) await model.close();
  });

  test('does not keep a file that changed before it was read under the name of what it was', async () => {
    onRequest = ({ method }) => {
      if (method !== 'GET') return;
      onRequest = () => undefined;
      utimesSync(folder.path(kModel), 1e9, 1e9);
    };
    const model = await load();
    expect(
      entries()
        .map((name) => name.split('.').at(-1))
        .sort(),
    ).toEqual(['gguf', 'json']);
    const again = await load();
    expect([again.fromCache, again.file]).toEqual([true, model.file]);
    await model.close();
    await again.close();
  });

  test('makes a damaged entry anew', async () => {
    const first = await load();
    await first.close();
    const whole = readFileSync(first.file);
    truncateSync(first.file, 1000);
    const second = await load();
    expect(second.fromCache).toBe(false);
    expect(readFileSync(second.file).equals(whole)).toBe(true);
    await second.close();
  });
});

describe('several who want the same model', () => {
  test('in one process: one fetches it, the others wait', async () => {
    const models = await Promise.all([load(), load(), load()]);
    expect(models.map(({ fromCache }) => fromCache).sort()).toEqual([false, true, true]);
    expect(rangeBytes()).toBeLessThan(2 * readFileSync(folder.path(kModel)).length);
    expect(
      entries()
        .map((name) => name.split('.').at(-1))
        .sort(),
    ).toEqual(['gguf', 'json']);
    for (const model of models) await model.close();
  });

  test('in two processes: one fetches it, the other waits', async () => {
    const outcomes = await Promise.all([startLoader().ended, startLoader().ended]);
    for (const { code, stderr } of outcomes) expect([code, stderr]).toEqual([0, '']);
    const loaded = outcomes.map(({ stdout }) => JSON.parse(stdout));
    expect(loaded[0].file).toBe(loaded[1].file);
    expect(loaded.map(({ fromCache }) => fromCache).sort()).toEqual([false, true]);
    expect(rangeBytes()).toBeLessThan(2 * readFileSync(folder.path(kModel)).length);
  });

  test('take over from one that has ended without a word', async () => {
    const model = await load();
    await model.close();
    rmSync(model.file);
    writeFileSync(lockOf(model), '');
    utimesSync(lockOf(model), 1e9, 1e9);
    const again = await load();
    expect([again.fromCache, again.file]).toEqual([false, model.file]);
    await again.close();
  });
});

describe('a first run that ends early', () => {
  test('by a signal leaves nothing, and the next one succeeds', async () => {
    const controller = new AbortController();
    let answered = 0;
    onRequest = () => {
      if (++answered === 3) controller.abort();
    };
    await expect(load({ signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' });
    expect(entries()).toEqual([]);
    const model = await load();
    expect(model.fromCache).toBe(false);
    await model.close();
  });

  test('by a killed process leaves no entry, and the next one succeeds', async () => {
    const { child, ended } = startLoader();
    let answered = 0;
    onRequest = (request, response) => {
      if (++answered < 3) return;
      child.kill('SIGKILL');
      response.destroy();
    };
    expect((await ended).signal).toBe('SIGKILL');
    onRequest = () => undefined;
    expect(entries().filter((name) => /^model-Q8_0-\w+\.gguf$/.test(name))).toEqual([]);
    // The lock of the dead is as old as its last sign of life.
    for (const name of entries().filter((one) => one.endsWith('.lock'))) {
      utimesSync(folder.path(`cache/${name}`), 1e9, 1e9);
    }
    const model = await load();
    expect(model.fromCache).toBe(false);
    expect((await model.get('layers.0.attention.weight')).length).toBe(512 * 512);
    await model.close();
  });
});

describe('what a server may do wrong', () => {
  const kAbout = { etag: '"1"', 'content-type': 'application/octet-stream' };
  const kCases = [
    [
      'does not know ranges',
      (request, response) => response.writeHead(200, kAbout).end(readFileSync(folder.path(kModel))),
      /does not support range requests/,
    ],
    [
      'has no such model',
      (request, response) => response.writeHead(404).end(),
      /Cannot load http.*model\.safetensors: the server answers 404/,
    ],
    ['has no versions', (request, response) => response.writeHead(200).end(), /sends neither ETag nor Last-Modified/],
    ['hangs up', (request, response) => response.destroy(), /Cannot reach http.*model\.safetensors: /],
  ];

  test.each(kCases)('%s', async (title, answer, says) => {
    const wrong = createServer(answer);
    wrong.listen(0, '127.0.0.1');
    await once(wrong, 'listening');
    url = new URL(`http://127.0.0.1:${wrong.address().port}/${kModel}`);
    await expect(load()).rejects.toThrow(says);
    expect(entries()).toEqual([]);
    wrong.closeAllConnections();
    await new Promise((resolve) => wrong.close(resolve));
  });
});
