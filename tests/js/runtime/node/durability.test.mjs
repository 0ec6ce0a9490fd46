import { readFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { runCommand } from '../../cli/support/command.mjs';
import { nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../../support/models/safetensors.mjs';

const folder = useFolder();
const goOn = () => undefined;
const kMegabyte = 2 ** 20;
const kModel = modelFile([float32Tensor('a.weight', [64, 256], 1), float32Tensor('b.bias', [77], 2)]);

/** Names of the syncs of any file, in order. */
const syncs = [];
let undo = [];
beforeEach(async () => {
  const handle = await openFile(folder.path('any'), 'w');
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  syncs.length = 0;
  undo = ['sync', 'datasync'].map((name) => {
    const original = prototype[name];
    prototype[name] = function () {
      syncs.push(name);
      return original.call(this);
    };
    return () => (prototype[name] = original);
  });
});
afterEach(() => undo.forEach((act) => act()));

describe.each([
  ['one file', (plan) => ({ bytes: 80 * kMegabyte, ...plan })],
  [
    'several files',
    (plan) => ({
      ...{ bytes: 81 * kMegabyte, ...plan },
      files: [
        { name: 'out-1.gguf', bytes: 80 * kMegabyte },
        { name: 'out-2.gguf', bytes: kMegabyte },
      ],
    }),
  ],
])('%s at a path', (_, planOf) => {
  async function written(plan) {
    const sink = await nodeFiles.openSink(folder.path('out.gguf'), planOf({ inputs: [], ...plan }));
    const piece = new Uint8Array(10 * kMegabyte).fill(7);
    for (let position = 0; position < 80 * kMegabyte; position += piece.length) await sink.write(piece, position);
    await sink.commit(goOn);
    return sink.files[0].target;
  }

  test('takes its name after all is on the disk, which begins to write early', async () => {
    await written({});
    expect(syncs.filter((name) => name === 'sync').length).toBeGreaterThanOrEqual(2);
    expect(syncs).toContain('datasync');
  });

  test('takes it without waiting for the disk when that is not wanted', async () => {
    const file = await written({ durable: false });
    expect(syncs).toEqual([]);
    expect(readFileSync(file).equals(Buffer.alloc(80 * kMegabyte, 7))).toBe(true);
  });
});

test.each([
  [true, ['sync']],
  [false, []],
])('a FileHandle is synced where that is planned: %p', async (durable, expected) => {
  const handle = await openFile(folder.path('out'), 'w+');
  try {
    const sink = await nodeFiles.openSink(handle, { bytes: 2, inputs: [], durable });
    await sink.write(Uint8Array.of(1, 2), 0);
    await sink.commit(goOn);
    expect(syncs).toEqual(expected);
    expect([...readFileSync(folder.path('out'))]).toEqual([1, 2]);
  } finally {
    await handle.close();
  }
});

describe("durability: 'none'", () => {
  let quantizer;
  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ threads: 1 });
  });
  afterAll(() => quantizer.dispose());
  const none = { durability: 'none' };
  const kOfNoFamily = { type: 'Q8_0', architecture: 'none' };

  test('quantizes and restores to the same bytes, without a sync', async () => {
    const input = folder.write('in.safetensors', kModel);
    await quantizer.quantizeFile(input, folder.path('a.gguf'), kOfNoFamily);
    await quantizer.dequantizeFile(folder.path('a.gguf'), folder.path('a.safetensors'), { durability: 'full' });
    expect(syncs).not.toEqual([]);
    syncs.length = 0;
    await quantizer.quantizeFile(input, folder.path('b.gguf'), { ...kOfNoFamily, ...none });
    await quantizer.dequantizeFile(folder.path('b.gguf'), folder.path('b.safetensors'), none);
    expect(syncs).toEqual([]);
    for (const ending of ['gguf', 'safetensors']) {
      expect(readFileSync(folder.path(`b.${ending}`)).equals(readFileSync(folder.path(`a.${ending}`)))).toBe(true);
    }
  });

  test('is refused with resume, which goes on with what is on the disk, and so is what it cannot be', async () => {
    const input = folder.write('in.safetensors', kModel);
    const refusal = (says) => ({ code: 'invalid_option', message: expect.stringContaining(says) });
    const both = { ...none, resume: true };
    const output = folder.path('out.gguf');
    const says = refusal('durability must be "full" with resume');
    await expect(quantizer.quantizeFile(input, output, both)).rejects.toMatchObject(says);
    await expect(quantizer.dequantizeFile(input, folder.path('out.safetensors'), both)).rejects.toMatchObject(says);
    await expect(quantizer.plan(input, both)).rejects.toMatchObject(says);
    const wrong = quantizer.quantizeFile(input, output, { durability: 'some' });
    await expect(wrong).rejects.toMatchObject(refusal('durability is "some", must be "full" or "none"'));
    expect(folder.list()).toEqual(['any', 'in.safetensors']);
  });
});

describe('--no-sync', () => {
  const run = (...parameters) => runCommand(parameters, { cwd: folder.at });

  test('is known to both commands that write', async () => {
    folder.write('in.safetensors', kModel);
    const parameters = ['quantize', 'in.safetensors', 'out.gguf', '--architecture', 'none', '--no-sync', '--quiet'];
    const quantized = await run(...parameters, '--type', 'Q8_0');
    expect(quantized).toMatchObject({ code: 0, stderr: '' });
    const restored = await run('dequantize', 'out.gguf', 'back.safetensors', '--no-sync', '--quiet');
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    expect(folder.list()).toContain('back.safetensors');
  });

  test.each(['quantize', 'dequantize'])('is refused beside --resume: %s', async (command) => {
    const { code, stderr } = await run(command, 'in.safetensors', 'out.gguf', '--no-sync', '--resume');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/'--no-sync' cannot be used with option '--resume'/);
  });
});
