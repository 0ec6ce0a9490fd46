import { Blob, File } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { WritableStream } from 'node:stream/web';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import createModule from 'arrowquant/wasm';
import { HELD_BYTES, Pipeline, createWindowPool, nodeFiles } from '../support/internals.mjs';
import { answer, useServers } from '../runtime/support/server.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, halfTensor, modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Small ones, one of several windows, and one that is kept as it is. */
const kTensors = [
  float32Tensor('a.weight', [64, 96], 1),
  halfTensor('b.weight', [2100, 1000], 2),
  float32Tensor('c.bias', [77], 3),
  ...Array.from({ length: 40 }, (_, index) => float32Tensor(`d.${index}.weight`, [8, 32], index)),
];
const kModel = modelFile(kTensors);

/** The model as two shards and their index, by file name. */
function shards() {
  const parts = { 'one.safetensors': kTensors.slice(0, 2), 'two.safetensors': kTensors.slice(2) };
  const map = Object.entries(parts).flatMap(([file, tensors]) => tensors.map(({ name }) => [name, file]));
  const files = Object.entries(parts).map(([file, tensors]) => [file, modelFile(tensors)]);
  const index = Buffer.from(JSON.stringify({ weight_map: Object.fromEntries(map) }));
  return new Map([...files, ['m.safetensors.index.json', index]]);
}

async function quantized(source, name = 'out.safetensors') {
  await quantizer.quantizeFile(source, folder.path(name));
  return readFileSync(folder.path(name));
}

describe('the bytes of a conversion are the same', () => {
  let expected;
  let path;
  const setUp = async () => {
    path = folder.write('in.safetensors', kModel);
    expected = await quantized(path, 'expected.safetensors');
  };

  test('from a file URL, a Blob, a File, a FileHandle and a FileSystemFileHandle', async () => {
    await setUp();
    const handle = await open(path);
    try {
      const file = new File([kModel], 'in.safetensors');
      const sources = [
        pathToFileURL(path),
        runInNewContext('new URL(text)', { URL, text: pathToFileURL(path).href }),
        new Blob([kModel]),
        file,
        [file],
        handle,
        { kind: 'file', name: 'in.safetensors', getFile: async () => file },
      ];
      for (const source of sources) expect((await quantized(source)).equals(expected)).toBe(true);
    } finally {
      await handle.close();
    }
  });

  test('from a server, as text and as an object', async () => {
    await setUp();
    const server = await servers.serve((request, response) => answer(request, response, kModel));
    for (const source of [server.url('/a?x'), new URL(server.url('/in.safetensors'))]) {
      expect((await quantized(source)).equals(expected)).toBe(true);
    }
    // The many small tensors lie side by side.
    expect(server.requests.length).toBeLessThan(40);
  });

  test('from shards: Files, and a server', async () => {
    await setUp();
    const parts = shards();
    const files = [...parts].map(([name, contents]) => new File([contents], name));
    expect((await quantized(files)).equals(expected)).toBe(true);
    const server = await servers.serve((request, response) => {
      answer(request, response, parts.get(request.url.slice(1).replace(/\?.*/, '')));
    });
    expect((await quantized(server.url('/m.safetensors.index.json?download'))).equals(expected)).toBe(true);
  });

  test('inspecting and comparing take the same sources', async () => {
    await setUp();
    const server = await servers.serve((request, response) => answer(request, response, kModel));
    const url = server.url('/in.safetensors?key=secret');
    const inspection = await quantizer.inspectFile(url);
    expect(inspection).toMatchObject({ file: server.url('/in.safetensors'), files: [server.url('/in.safetensors')] });
    expect(server.requests.length).toBe(1);
    const comparison = await quantizer.compareFiles(url, new File([kModel], 'b.safetensors'));
    expect(comparison).toMatchObject({ a: server.url('/in.safetensors'), b: 'b.safetensors' });
    expect(comparison.tensors.every(({ equal }) => equal)).toBe(true);
  });
});

describe('a source that fails in the middle', () => {
  test('leaves no output, and the error names it', async () => {
    const server = await servers.serve((request, response, attempt) => {
      answer(request, response, kModel, attempt < 4 ? {} : { etag: '"changed"' });
    });
    await expect(quantized(server.url('/in.safetensors'))).rejects.toMatchObject({
      code: 'unreadable_input',
      file: server.url('/in.safetensors'),
    });
    expect(folder.list()).toEqual([]);
  });

  test('a shard that is missing is named', async () => {
    const parts = shards();
    parts.delete('two.safetensors');
    const files = [...parts].map(([name, contents]) => new File([contents], name));
    await expect(quantized(files)).rejects.toMatchObject({ code: 'missing_shard', file: 'two.safetensors' });
  });

  test('an abort ends a read that the server keeps waiting', async () => {
    const controller = new AbortController();
    const server = await servers.serve((request, response, attempt) => {
      if (attempt === 1) answer(request, response, kModel);
      else controller.abort('enough');
    });
    const call = quantizer.quantizeFile(server.url('/a'), folder.path('out.safetensors'), {
      signal: controller.signal,
    });
    await expect(call).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
    expect(folder.list()).toEqual([]);
  });
});

test.each([
  undefined,
  null,
  '',
  'a\0b',
  7,
  {},
  [],
  [new Blob(['without a name'])],
  ['a.safetensors'],
  new Uint16Array(8),
  new DataView(new ArrayBuffer(8)),
  { href: 'http://127.0.0.1/' },
])('%p is no source, and no sink', async (value) => {
  const sink = folder.path('out.safetensors');
  await expect(quantizer.quantizeFile(value, sink)).rejects.toMatchObject({ code: 'invalid_option' });
  await expect(quantizer.inspectFile(value)).rejects.toMatchObject({ code: 'invalid_option' });
  const source = folder.write('in.safetensors', kModel);
  await expect(quantizer.quantizeFile(source, value)).rejects.toMatchObject({ code: 'invalid_option' });
  expect(folder.list()).toEqual(['in.safetensors']);
});

test('a piece that fails ends the pieces that wait behind it for a stream', async () => {
  const module = await createModule({ backend: 'single' });
  const pool = createWindowPool(module, 4);
  const bytes = HELD_BYTES / 2;
  const stream = new WritableStream();
  const sink = await nodeFiles.openSink(stream, { bytes: 100 * bytes, inputs: [] });
  const pipeline = new Pipeline({ pool, fail: (error) => sink.stop(error) });
  const failure = new Error('the first piece cannot be read');
  let failFirst = null;
  const first = new Promise((_resolve, reject) => {
    failFirst = () => reject(failure);
  });
  const startAt = (index, end) => pipeline.start({ reserve: () => sink.reserve(index * bytes, bytes), end });
  await startAt(0, () => first);
  setImmediate(failFirst);
  // There is room for two pieces; later ones wait until the first piece has come, which it will not.
  const later = (async () => {
    for (let index = 1; index <= 5; ++index) {
      await startAt(index, () => sink.write(new Uint8Array(bytes), index * bytes));
    }
  })();
  await expect(later).rejects.toBe(failure);
  await expect(pipeline.drain()).rejects.toBe(failure);
  await sink.discard(failure);
  module.dispose();
});
