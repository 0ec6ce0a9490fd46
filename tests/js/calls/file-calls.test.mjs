import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { File } from 'node:buffer';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WritableStream } from 'node:stream/web';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ArrowQuant } from 'arrowquant';
import { float32Tensor, halfTensor, modelFile } from '../support/models/safetensors.mjs';

const kModel = modelFile([float32Tensor('a.weight', [64, 64]), halfTensor('b.weight', [64, 64])]);

/** A quantizer of its own, for what only the first call on files can tell. */
async function withFresh(use) {
  const quantizer = await ArrowQuant.create({ backend: 'single' });
  try {
    return await use(quantizer);
  } finally {
    await quantizer.dispose();
  }
}

const typesOf = ({ tensors }) => tensors.map(({ name, to, rule }) => [name, to, rule]);

describe('what the caller changes right after the call is not seen', () => {
  test.each([
    ['a rule of the list', (options) => options.rules.pop()],
    ['a condition of a rule', (options) => (options.rules[0].when.rankBelow = 1)],
    ['the element types of a condition', (options) => options.rules[0].when.dtypeNotIn.push('F16')],
    ['an option', (options) => (options.type = 'Q8_0')],
  ])('%s', async (_, change) => {
    const given = () => ({
      type: 'Q4_0',
      container: 'gguf',
      architecture: 'none',
      rules: [{ name: 'floats', when: { dtypeNotIn: ['F32'], rankBelow: 3 }, type: 'Q5_0' }],
    });
    await withFresh(async (quantizer) => {
      const options = given();
      const call = quantizer.plan(kModel, options);
      change(options);
      const planned = typesOf(await call);
      expect(planned).toEqual(typesOf(await quantizer.plan(kModel, given())));
      expect(planned).not.toEqual(typesOf(await quantizer.plan(kModel, options)));
    });
  });

  test('the importance of a tensor', async () => {
    await withFresh(async (quantizer) => {
      const importance = new Map();
      const options = { type: 'Q4_0', architecture: 'none', importance };
      const call = quantizer.plan(kModel, options);
      importance.set('no tensor', new Float32Array(64));
      await call;
      await expect(quantizer.plan(kModel, options)).rejects.toMatchObject({
        message: expect.stringMatching(/"no tensor", but the model has no tensor of that name/),
      });
    });
  });

  test('the list of files, a URL, and headers', async () => {
    const asked = [];
    const server = createServer((request, response) => {
      asked.push([request.url, request.headers['x-key']]);
      response.writeHead(404).end();
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await withFresh(async (quantizer) => {
        const files = [new File([kModel], 'model.safetensors')];
        const opened = quantizer.inspectFile(files);
        files[0] = new File(['nothing'], 'nothing.safetensors');
        const url = new URL(`http://127.0.0.1:${server.address().port}/first`);
        const headers = { 'x-key': 'first' };
        const fetched = quantizer.inspectFile(url, { headers });
        url.pathname = '/second';
        headers['x-key'] = 'second';
        await expect(opened).resolves.toMatchObject({ file: 'model.safetensors' });
        await expect(fetched).rejects.toMatchObject({ code: 'unreadable_input' });
      });
      expect(new Set(asked.map(String))).toEqual(new Set(['/first,first']));
    } finally {
      await new Promise((resolve) => server.close(resolve).closeAllConnections());
    }
  });
});

describe('the first call on files', () => {
  test.each([
    ['a conversion', (quantizer, options) => quantizer.quantizeFile(kModel, new WritableStream(), options)],
    ['a plan', (quantizer, options) => quantizer.plan(kModel, options)],
    ['an inspection', (quantizer, options) => quantizer.inspectFile(kModel, options)],
    ['an opening', (quantizer, options) => quantizer.open(kModel, options)],
    ['a comparison', (quantizer, options) => quantizer.compareFiles(kModel, kModel, options)],
  ])('%s ends when the quantizer is disposed, and when it is aborted', async (_, call) => {
    await withFresh(async (quantizer) => {
      const controller = new AbortController();
      const aborted = call(quantizer, { signal: controller.signal });
      controller.abort('enough');
      await expect(aborted).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
      const disposed = call(quantizer, {});
      await quantizer.dispose();
      await expect(disposed).rejects.toMatchObject({ code: 'disposed' });
    });
  });

  test('gives a stream back aborted when its arguments are wrong', async () => {
    await withFresh(async (quantizer) => {
      const reasons = [];
      const stream = () => new WritableStream({ abort: (reason) => void reasons.push(reason.code) });
      await expect(quantizer.quantizeFile(5, stream())).rejects.toMatchObject({ code: 'invalid_option' });
      await expect(quantizer.quantizeFile(kModel, stream(), { bits: 3 })).rejects.toMatchObject({
        code: 'invalid_bit_width',
      });
      expect(reasons).toEqual(['invalid_option', 'invalid_bit_width']);
    });
  });
});

describe('a package that lacks a script', () => {
  let folder;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'arrowquant parts '));
    const root = fileURLToPath(new URL('../../..', import.meta.url));
    for (const name of ['dist', 'package.json'])
      cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
    const chunks = path.join(folder, 'dist/chunks');
    const [missing] = readdirSync(chunks).filter((name) => name.startsWith('file-work-'));
    rmSync(path.join(chunks, missing));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('quantizes batches, and tells at the first file what is missing', async () => {
    const script = `
      import { ArrowQuant } from 'arrowquant';
      const quantizer = await ArrowQuant.create({ backend: 'single' });
      const { size } = await quantizer.quantizeBatch({ a: new Float32Array(64) }, 4);
      const error = await quantizer.inspectFile(new Uint8Array(16)).catch((reason) => reason);
      console.log(size, error.name, error.code, error.message);`;
    const flags = ['--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: folder, timeout: 60_000 });
    expect(stdout).toMatch(/^1 QuantizeError part_not_loaded .*file-work-.*\.js.*arrowquant\/dist has to be served/s);
  });
});
