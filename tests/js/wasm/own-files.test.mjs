import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { ArrowQuant } from 'arrowquant';
import { runFixture } from '../support/child.mjs';

const dist = (name) => new URL(`../../../dist/${name}`, import.meta.url);
const wasm = (flavour) => new Uint8Array(readFileSync(dist(`wasm/arrowquant-${flavour}.wasm`)));

/** What comes of `create`: the backend that has quantized, or the error. */
async function outcome(options) {
  try {
    const quantizer = await ArrowQuant.create({ threads: 2, ...options });
    const { size } = await quantizer.quantizeBatch({ a: new Float32Array(100_000).fill(1) }, 4);
    await quantizer.dispose();
    return { backend: quantizer.backend, size };
  } catch ({ name, code, message }) {
    return { name, code, message };
  }
}

const refusal = (code, text) => ({ name: 'QuantizeError', code, message: expect.stringMatching(text) });

/** A custom section of the binary format, which engines pass over. */
const section = (...content) => [0, 2 + content.length, 1, 'x'.charCodeAt(0), ...content];

/** As a data URL whose last character is a slash. */
function slashedDataUrl(bytes) {
  for (let pad = 0; pad < 3; ++pad) {
    const text = Buffer.from([...bytes, ...section(...Array(pad).fill(0), 0xff)]).toString('base64');
    if (text.endsWith('/')) return `data:application/wasm;base64,${text}`;
  }
  throw new Error('no padding ends with a slash');
}

let server;
let requests;
beforeAll(async () => {
  requests = [];
  server = createServer((request, response) => {
    requests.push(request.url);
    const [, flavour] = /arrowquant-(\w+)\.wasm/.exec(request.url) ?? [];
    if (flavour === undefined) response.writeHead(404).end();
    else response.end(wasm(flavour));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
const url = (path) => `http://127.0.0.1:${server.address().port}${path}`;

describe('the wasm', () => {
  test.each([
    ['a path', () => fileURLToPath(dist('wasm/arrowquant-single.wasm')), 'workers'],
    ['a file URL', () => dist('wasm/arrowquant-threads.wasm'), 'threads'],
    ['a folder', () => fileURLToPath(dist('wasm/')), 'threads'],
    ['the address of a file', () => url('/arrowquant-single.wasm'), 'workers'],
    ['the address of a folder, with a query', () => url('/here/?v=1'), 'threads'],
    ['a data URL that ends with a slash', () => slashedDataUrl(wasm('single')), 'workers'],
  ])('comes from %s', async (_, wasmUrl, backend) => {
    expect(await outcome({ wasmUrl: wasmUrl() })).toEqual({ backend, size: 1 });
  });

  test('comes from a folder with the query that the address has', () => {
    expect(requests).toContain('/here/arrowquant-threads.wasm?v=1');
  });

  test.each([
    ['an array', () => wasm('single'), 'workers'],
    ['a buffer', () => wasm('threads').buffer, 'threads'],
    ['a module', () => new WebAssembly.Module(wasm('single')), 'workers'],
  ])('is given as %s, which decides on the backend', async (_, wasmBinary, backend) => {
    expect(await outcome({ wasmBinary: wasmBinary() })).toEqual({ backend, size: 1 });
  });

  test('of another backend is refused', async () => {
    const refused = refusal('startup_failed', /wasmBinary is the file of another backend; arrowquant-threads\.wasm/);
    expect(await outcome({ wasmBinary: wasm('single'), backend: 'threads' })).toEqual(refused);
  });

  test.each([
    ['another', (bytes) => bytes.with(-1, bytes.at(-1) ^ 1)],
    ['no', (bytes) => bytes.subarray(0, -(3 + 'arrowquant'.length + 16))],
  ])('of %s version is refused before it can call what is not there', async (_, change) => {
    const wasmBinary = change(Uint8Array.from(wasm('single')));
    expect(WebAssembly.validate(wasmBinary)).toBe(true);
    expect(await outcome({ wasmBinary, backend: 'single' })).toEqual(
      refusal('startup_failed', /not of the same version/),
    );
  });

  test.each([
    ['a missing file', { wasmUrl: '/nowhere/a.wasm' }, /cannot read \/nowhere\/a\.wasm: there is no such file/],
    ['a path of Windows', { wasmUrl: 'C:\\app\\a.wasm' }, /cannot read \/.*C:.*app.*a\.wasm: there is no such file/],
    ['what is no wasm', { wasmBinary: new Uint8Array(8) }, /wasmBinary could not be compiled/],
  ])('that is %s is named', async (_, options, text) => {
    expect(await outcome({ ...options, backend: 'single' })).toEqual(refusal('startup_failed', text));
  });

  test('on a server is named without what may be a secret', async () => {
    const { code, message } = await outcome({ backend: 'single', wasmUrl: url('/a.wasm?signature=S3CRET') });
    expect(code).toBe('startup_failed');
    expect(message).toContain(`cannot read ${url('/a.wasm')}: it was answered with 404`);
    expect(message).not.toContain('S3CRET');
  });

  test.each([
    ['both', { wasmUrl: 'a.wasm', wasmBinary: new Uint8Array(8) }, /exclude each other/],
    ['no address', { wasmUrl: 7 }, /wasmUrl must be an address/],
    ['an empty address', { workerUrl: '' }, /workerUrl must be an address/],
    ['no bytes', { wasmBinary: 'a.wasm' }, /wasmBinary is "a\.wasm", must be/],
    [
      'an address that throws',
      { wasmUrl: Object.defineProperty({}, 'href', { get: () => JSON.parse('{') }) },
      /Invalid/,
    ],
  ])('is not said by %s', async (_, options, text) => {
    expect(await outcome(options)).toEqual(refusal('invalid_option', text));
  });
});

test('a server that never answers keeps no process alive', async () => {
  const { code, signal, stdout } = await runFixture('stalled-wasm.mjs');
  expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'startup_failed' });
});

describe('arrowquant/single', () => {
  test('quantizes with the wasm that it is given, wherever it is', async () => {
    const { ArrowQuant: Single } = await import('arrowquant/single');
    const quantizer = await Single.create({ wasmBinary: wasm('single') });
    expect(quantizer.backend).toBe('single');
    expect(quantizer.fallback).toMatch(/^threads: arrowquant\/single has the backend single/);
    expect((await quantizer.quantizeBatch({ a: new Float32Array(1000) }, 4)).size).toBe(1);
    await quantizer.dispose();
    await expect(Single.create({ backend: 'threads' })).rejects.toMatchObject({ code: 'backend_unavailable' });
  });
});

test.each(['arrowquant-threads.js', 'arrowquant-single.js'])(
  '%s is no worker in a page that has the name of one',
  async (glue) => {
    const { code, stdout, stderr } = await runFixture('page-with-a-name.mjs', { args: [dist(`wasm/${glue}`).href] });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '["kept","kept"]', stderr: '' });
  },
);
