import { Blob, File } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { WritableStream } from 'node:stream/web';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { ggufFile, tinyLlama } from '../../peers/tiny-llama.mjs';
import { answer, useServers } from '../runtime/support/server.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { modelFile } from '../support/models/safetensors.mjs';

const kOptions = { type: 'Q4_K_M' };
const kModel = ggufFile(tinyLlama({ layers: 2, hidden: 4352 }));

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** What path → path gives. */
let expected;
beforeEach(async () => {
  const input = folder.write('in.gguf', kModel);
  if (expected !== undefined) return;
  await quantizer.quantizeFile(input, folder.path('expected.gguf'), kOptions);
  expected = readFileSync(folder.path('expected.gguf'));
});

/** A stream that takes its time, and what it was given. */
function collector() {
  const chunks = [];
  const state = { closed: false, aborted: false };
  const stream = new WritableStream({
    write: (chunk) => {
      chunks.push(Buffer.from(chunk));
      return new Promise((resolve) => setImmediate(resolve));
    },
    close: () => void (state.closed = true),
    abort: () => void (state.aborted = true),
  });
  return { stream, state, bytes: () => Buffer.concat(chunks) };
}

async function expectSameFrom(source) {
  const report = await quantizer.quantizeFile(source, folder.path('out.gguf'), kOptions);
  expect(readFileSync(folder.path('out.gguf')).equals(expected)).toBe(true);
  return report;
}

describe('the same bytes as from path to path', () => {
  test('from a Blob, and a File', async () => {
    await expectSameFrom(new Blob([kModel]));
    const { input } = await expectSameFrom(new File([kModel], 'model.gguf'));
    expect(input).toBe('model.gguf');
  });

  test('from a file URL', () => expectSameFrom(pathToFileURL(folder.path('in.gguf'))));

  test('from a FileHandle, which stays open', async () => {
    const handle = await open(folder.path('in.gguf'));
    try {
      await expectSameFrom(handle);
      expect((await handle.stat()).size).toBe(kModel.length);
    } finally {
      await handle.close();
    }
  });

  test('from an HTTP server, in ranges', async () => {
    const server = await servers.serve((request, response) => answer(request, response, kModel));
    await expectSameFrom(server.url('/model.gguf?token=secret'));
    await expectSameFrom(new URL(server.url('/model.gguf')));
    expect(server.requests.every(({ range }) => /^bytes=\d+-\d+$/.test(range))).toBe(true);
  });

  test('from the Files of a sharded GGUF, in any order', async () => {
    const shards = folder.path('shard.gguf');
    const { files } = await quantizer.quantizeFile(folder.path('in.gguf'), shards, { type: 'F16', splitSize: 2e6 });
    expect(files.length).toBeGreaterThan(1);
    const blobs = files.map((file) => new File([readFileSync(file)], file.replace(/^.*\//, '')));
    await expectSameFrom(blobs);
    await expectSameFrom(blobs.toReversed());
  });

  test('from the Files of sharded safetensors, and their index', async () => {
    const tensors = diffusionModel('flux');
    const whole = folder.write('whole.safetensors', modelFile(tensors));
    await quantizer.quantizeFile(whole, folder.path('whole.gguf'), kOptions);
    const parts = [tensors.slice(0, 3), tensors.slice(3)];
    const map = parts.flatMap((part, i) => part.map(({ name }) => [name, `part-${i}.safetensors`]));
    const index = new File([JSON.stringify({ weight_map: Object.fromEntries(map) })], 'm.safetensors.index.json');
    const files = [...parts.map((part, i) => new File([modelFile(part)], `part-${i}.safetensors`)), index];
    await quantizer.quantizeFile(files, folder.path('out.gguf'), kOptions);
    expect(readFileSync(folder.path('out.gguf')).equals(readFileSync(folder.path('whole.gguf')))).toBe(true);
  });

  test('into a WritableStream, also from a server', async () => {
    const server = await servers.serve((request, response) => answer(request, response, kModel));
    for (const source of [folder.path('in.gguf'), new Blob([kModel]), server.url('/model.gguf')]) {
      const { stream, state, bytes } = collector();
      const report = await quantizer.quantizeFile(source, stream, kOptions);
      expect(bytes().equals(expected)).toBe(true);
      expect(state).toEqual({ closed: true, aborted: false });
      expect(report.totals.fileBytes).toBe(expected.length);
    }
  });

  test('into a FileHandle, over longer contents', async () => {
    writeFileSync(folder.path('out.gguf'), Buffer.alloc(2 * kModel.length, 'old'));
    const handle = await open(folder.path('out.gguf'), 'r+');
    try {
      await quantizer.quantizeFile(new Blob([kModel]), handle, kOptions);
    } finally {
      await handle.close();
    }
    expect(readFileSync(folder.path('out.gguf')).equals(expected)).toBe(true);
  });

  test('with the least memory that can be asked for', async () => {
    await quantizer.quantizeFile(folder.path('in.gguf'), folder.path('out.gguf'), {
      ...kOptions,
      memoryLimit: 2 ** 24,
    });
    expect(readFileSync(folder.path('out.gguf')).equals(expected)).toBe(true);
  });

  test('in several conversions at once', async () => {
    const sinks = Array.from({ length: 4 }, collector);
    await Promise.all(sinks.map(({ stream }) => quantizer.quantizeFile(folder.path('in.gguf'), stream, kOptions)));
    for (const { bytes } of sinks) expect(bytes().equals(expected)).toBe(true);
  });
});

describe('a stream', () => {
  test('is aborted with the conversion, and gets no bytes after that', async () => {
    const controller = new AbortController();
    const { stream, state, bytes } = collector();
    const progress = () => controller.abort(new Error('enough'));
    const call = quantizer.quantizeFile(new Blob([kModel]), stream, {
      ...kOptions,
      progress,
      signal: controller.signal,
    });
    await expect(call).rejects.toMatchObject({ code: 'aborted', cause: { message: 'enough' } });
    expect(state).toEqual({ closed: false, aborted: true });
    expect(bytes().length).toBeLessThan(expected.length);
  });

  test('that fails ends the conversion with its error', async () => {
    const stream = new WritableStream({ write: () => Promise.reject(new Error('the pipe is broken')) });
    const call = quantizer.quantizeFile(new Blob([kModel]), stream, kOptions);
    await expect(call).rejects.toMatchObject({ code: 'unwritable_output' });
    await expect(call).rejects.toThrow(/the pipe is broken/);
  });
});

test('a weight that is not finite is named, whatever the source', async () => {
  const tensors = diffusionModel('flux', { dtype: 'F32' });
  tensors[0].bytes.writeFloatLE(NaN, 4 * 300);
  const file = modelFile(tensors);
  const server = await servers.serve((request, response) => answer(request, response, file));
  for (const source of [folder.write('in.safetensors', file), new Blob([file]), server.url('/m.safetensors')]) {
    const call = quantizer.quantizeFile(source, folder.path('out.gguf'), kOptions);
    await expect(call).rejects.toMatchObject({ code: 'not_finite', layer: tensors[0].name, index: 300 });
    expect(folder.list()).not.toContain('out.gguf');
  }
});
