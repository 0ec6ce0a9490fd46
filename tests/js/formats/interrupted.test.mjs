import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { File } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { answer, useServers } from '../runtime/support/server.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { killConversion } from '../support/models/kill.mjs';
import { copyTinyLlama, digests, kOfMlxLm, kTinyLlama } from '../support/models/tiny-llama.mjs';
import { MemoryFolder } from '../support/models/web-folder.mjs';

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const { options, tensors } = kOfMlxLm.q4g64;
const kMlx = { format: 'mlx', ...options };
const kNames = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];

/** Nothing is left of a conversion that failed: not the folder, if that was not there before. */
async function expectNothing(call, error) {
  await expect(call).rejects.toMatchObject(error);
  expect(existsSync(folder.path('out'))).toBe(false);
  expect(folder.list().filter((name) => name.includes('arrowquant'))).toEqual([]);
}

const convert = (source, more) => quantizer.quantizeFile(source, folder.path('out'), { ...kMlx, ...more });

describe('what lies beside the weights', () => {
  test('and is a folder cannot be read', async () => {
    const input = copyTinyLlama(folder.path('in'));
    mkdirSync(`${input}/merges.txt`);
    await expectNothing(convert(input), { code: 'unreadable_input', file: `${input}/merges.txt` });
  });

  test('and is not given by a server that fails', async () => {
    const { url } = await servers.serve((request, response) => {
      const name = request.url.slice(1);
      if (name === 'tokenizer.json') response.writeHead(403).end();
      else if (!kNames.includes(name)) response.writeHead(404).end();
      else answer(request, response, readFileSync(`${kTinyLlama}/${name}`), { etag: `"${name}"` });
    });
    await expectNothing(convert(url('/model.safetensors')), { code: 'unreadable_input' });
  });

  test('and changes while the weights are written', async () => {
    const input = copyTinyLlama(folder.path('in'));
    const onTensor = () => writeFileSync(`${input}/tokenizer.json`, '{}');
    await expectNothing(convert(input, { onTensor }), {
      ...{ code: 'unreadable_input', file: `${input}/tokenizer.json`, message: expect.stringMatching(/changed/) },
    });
  });

  test('and whose Blob cannot be read any more', async () => {
    const files = kNames.map((name) => new File([readFileSync(`${kTinyLlama}/${name}`)], name));
    const broken = Object.assign(files[2], {
      slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) }),
    });
    await expectNothing(convert(files), { code: 'unreadable_input', file: broken.name });
  });
});

test('a call that is aborted leaves nothing', async () => {
  for (const after of [1, 5, 21]) {
    const controller = new AbortController();
    let done = 0;
    const onTensor = () => {
      if (++done === after) controller.abort();
    };
    await expectNothing(convert(kTinyLlama, { onTensor, signal: controller.signal }), { code: 'aborted' });
  }
});

test('a folder that was there before stays, with what was in it', async () => {
  mkdirSync(folder.path('out'));
  for (const name of ['config.json', 'notes.txt']) folder.write(`out/${name}`, 'mine');
  const signal = AbortSignal.abort();
  await expect(convert(kTinyLlama, { signal })).rejects.toMatchObject({ code: 'aborted' });
  let done = 0;
  const controller = new AbortController();
  const onTensor = () => ++done === 20 && controller.abort();
  await expect(convert(kTinyLlama, { onTensor, signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' });
  expect(readdirSync(folder.path('out')).toSorted()).toEqual(['config.json', 'notes.txt']);
  expect(readFileSync(folder.path('out/config.json'), 'utf8')).toBe('mine');
});

describe('a picked folder', () => {
  test('is as it was when there is no room', async () => {
    const sink = new MemoryFolder({ 'notes.txt': new Uint8Array(3) }, 50_000);
    await expect(quantizer.quantizeFile(kTinyLlama, sink, kMlx)).rejects.toMatchObject({ code: 'disk_full' });
    expect([[...sink.files.keys()], sink.openStreams]).toEqual([['notes.txt'], 0]);
  });

  test('is as it was after an abort, and when its files must not be written', async () => {
    const sink = new MemoryFolder();
    const controller = new AbortController();
    const asked = { ...kMlx, signal: controller.signal, onTensor: () => controller.abort() };
    await expect(quantizer.quantizeFile(kTinyLlama, sink, asked)).rejects.toMatchObject({ code: 'aborted' });
    expect([sink.files.size, sink.openStreams]).toEqual([0, 0]);
    const locked = new MemoryFolder();
    locked.getFileHandle = () => Promise.reject(new DOMException('', 'NotAllowedError'));
    await expect(quantizer.quantizeFile(kTinyLlama, locked, kMlx)).rejects.toMatchObject({
      ...{ code: 'unwritable_output', message: expect.stringMatching(/permission denied/) },
    });
  });

  test('that had a model is of two when there is room for a part, and the error says so', async () => {
    const sink = new MemoryFolder({ 'model.safetensors': new Uint8Array(3), 'config.json': new Uint8Array(4) });
    const open = sink.getFileHandle.bind(sink);
    sink.getFileHandle = async (name, how) => {
      const handle = await open(name, how);
      const make = handle.createWritable.bind(handle);
      handle.createWritable = async () => {
        const stream = await make();
        if (name.endsWith('index.json')) {
          stream.close = () => Promise.reject(new DOMException('', 'QuotaExceededError'));
        }
        return stream;
      };
      return handle;
    };
    await expect(quantizer.quantizeFile(kTinyLlama, sink, kMlx)).rejects.toMatchObject({
      ...{ code: 'disk_full', message: expect.stringMatching(/index\.json.*: "model\.safetensors" beside it are new/) },
    });
    expect(sink.files.get('config.json')).toHaveLength(4);
  });

  test('cannot be gone on with', async () => {
    const call = quantizer.quantizeFile(kTinyLlama, new MemoryFolder(), { ...kMlx, resume: true });
    await expect(call).rejects.toMatchObject({ code: 'unwritable_output', message: expect.stringMatching(/resumed/) });
  });
});

describe('a run that was killed', () => {
  test('leaves what the next one removes', async () => {
    await killConversion(kTinyLlama, folder.path('out'), kMlx, 8);
    expect(readdirSync(folder.path('out')).every((name) => name.startsWith('.arrowquant-'))).toBe(true);
    await convert(kTinyLlama);
    expect(readdirSync(folder.path('out')).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(digests(folder.path('out/model.safetensors'))).toEqual(tensors);
  });

  test('is gone on with, at the last whole tensor', async () => {
    const done = await killConversion(kTinyLlama, folder.path('out'), { ...kMlx, resume: true }, 8);
    expect(done.length).toBeGreaterThanOrEqual(8);
    expect(readdirSync(folder.path('out'))).toContain('.model.safetensors.arrowquant-journal');
    await convert(kTinyLlama, { resume: true });
    expect(digests(folder.path('out/model.safetensors'))).toEqual(tensors);
    expect(readdirSync(folder.path('out')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  // Zero points, and the scales of scales, are kept in memory until their tensor is done.
  test.each([
    ['compressed-tensors', { type: 'W4A16_ASYM', groupSize: 32 }],
    ['bitsandbytes', { type: 'nf4', doubleQuant: true }],
  ])('is gone on with, where planes are finished at the end: %s', async (format, more) => {
    const asked = { format, ...more };
    await quantizer.quantizeFile(kTinyLlama, folder.path('whole'), asked);
    await killConversion(kTinyLlama, folder.path('out'), { ...asked, resume: true }, 8);
    await quantizer.quantizeFile(kTinyLlama, folder.path('out'), { ...asked, resume: true });
    for (const name of readdirSync(folder.path('whole'))) {
      expect([name, readFileSync(folder.path(`out/${name}`))]).toEqual([
        name,
        readFileSync(folder.path(`whole/${name}`)),
      ]);
    }
  });
});

test('a folder that cannot be made is told before a weight is read', async () => {
  folder.write('file', 'a file');
  const seen = [];
  const call = quantizer.quantizeFile(kTinyLlama, folder.path('file/out'), {
    ...kMlx,
    onTensor: ({ name }) => seen.push(name),
  });
  await expect(call).rejects.toMatchObject({ code: 'unwritable_output' });
  expect(seen).toEqual([]);
});
