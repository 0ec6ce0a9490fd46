import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from '../../../dist/index.js';
import { makeSampleModel } from '../../../tools/make-sample-model.mjs';
import { writeSparseModel } from '../cli/support/sparse.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { bfloatTensor, fromFloats, modelFile } from '../support/models/safetensors.mjs';
import { installExample } from './support/example.mjs';
import { openClient } from './support/port.mjs';

const example = installExample('electron');
const { QuantizeService } = await example.import('quantize-service.mjs');
const folder = useFolder();
afterAll(example.remove);

/** Takes seconds to convert, and no room. */
const writeLongModel = () => writeSparseModel(folder.path('long.safetensors'), 2 ** 32, 64);
const isBytesEvent = ({ type, event }) => type === 'event' && event.type === 'bytes';
const start = (job, input, output, options = { bits: 4 }) => ({
  type: 'start',
  job,
  input: folder.path(input),
  output: folder.path(output),
  options,
});

describe('the utility process', () => {
  let worker;
  let client;
  beforeEach(() => {
    worker = new Worker(example.url('quantize.mjs'));
    client = openClient();
    worker.postMessage({ type: 'serve', port: client.port }, [client.port]);
  });
  afterEach(() => worker.terminate());

  test('converts a file, with progress that rises to the end, to the bytes that the package writes', async () => {
    makeSampleModel(folder.path('in.safetensors'), { megabytes: 8 });
    const { backend, threads } = await client.next(({ type }) => type === 'ready');
    expect([backend, threads]).toEqual(['threads', expect.any(Number)]);
    client.send(start(1, 'in.safetensors', 'out.safetensors', { bits: 4, groupSize: 64 }));
    const { type, report } = await client.outcome(1);
    expect(type).toBe('done');

    const events = client.of(1, 'event').map(({ event }) => event);
    expect(events[0]).toMatchObject({ type: 'start', tensors: report.tensors.length });
    const fractions = events.filter((event) => event.type === 'bytes').map(({ done, bytes }) => done / bytes);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    const names = events.filter((event) => event.type === 'tensor').map(({ report: { name } }) => name);
    expect(names.sort()).toEqual(report.tensors.map(({ name }) => name));

    const quantizer = await ArrowQuant.create();
    await quantizer.quantizeFile(folder.path('in.safetensors'), folder.path('direct.safetensors'), { groupSize: 64 });
    await quantizer.dispose();
    const [served, direct] = ['out', 'direct'].map((name) => readFileSync(folder.path(`${name}.safetensors`)));
    expect(served.equals(direct)).toBe(true);
  });

  test('writes GGUF', async () => {
    folder.write('in.safetensors', modelFile([bfloatTensor('double_blocks.0.img_attn.proj.weight', [64, 512])]));
    client.send(start(1, 'in.safetensors', 'out.gguf', { type: 'Q4_K_M' }));
    expect(await client.outcome(1)).toMatchObject({ type: 'done', report: { type: 'Q4_K_M' } });
    expect(readFileSync(folder.path('out.gguf')).toString('latin1', 0, 4)).toBe('GGUF');
  });

  test('leaves nothing behind after a cancel, and takes the next job', async () => {
    writeLongModel();
    client.send(start(1, 'long.safetensors', 'out.safetensors'));
    await client.next(isBytesEvent);
    client.send({ type: 'cancel', job: 1 });
    expect(await client.outcome(1)).toMatchObject({ type: 'failed', code: 'aborted' });
    expect(folder.list()).toEqual(['long.safetensors']);

    folder.write('in.safetensors', modelFile([bfloatTensor('a.weight', [32, 64])]));
    client.send(start(2, 'in.safetensors', 'out.safetensors'));
    expect(await client.outcome(2)).toMatchObject({ type: 'done', report: { totals: { converted: 1 } } });
  });

  test('says with a code and a sentence what is wrong with a file', async () => {
    folder.write('bad.safetensors', 'GIF89a, as we all know');
    folder.write('nan.safetensors', modelFile([fromFloats('a.weight', 'F32', [32, 32], Array(1024).fill(NaN))]));
    const cases = [
      ['bad.safetensors', 'invalid_file', /^Cannot read .*bad\.safetensors: /],
      ['none.safetensors', 'unreadable_input', /none\.safetensors: there is no such file/],
      ['nan.safetensors', 'not_finite', /layer "a\.weight".* at index 0/],
    ];
    for (const [job, [input, code, sentence]] of cases.entries()) {
      client.send(start(job, input, 'out.safetensors'));
      const message = await client.outcome(job);
      expect(message).toMatchObject({ type: 'failed', code, message: expect.stringMatching(sentence) });
    }
    expect(folder.list()).toEqual(['bad.safetensors', 'nan.safetensors']);
  });

  test('ends at a shutdown, without what it had written so far', async () => {
    writeLongModel();
    client.send(start(1, 'long.safetensors', 'out.safetensors'));
    await client.next(isBytesEvent);
    worker.postMessage({ type: 'shutdown' });
    expect(await once(worker, 'exit')).toEqual([0]);
    expect(folder.list()).toEqual(['long.safetensors']);
  });
});

describe('the service', () => {
  test('aborts its jobs when the port closes, as it does with the window', async () => {
    writeLongModel();
    const client = openClient();
    const service = new QuantizeService(client.port);
    client.send(start(1, 'long.safetensors', 'out.safetensors'));
    await client.next(isBytesEvent);
    client.close();
    await service.closed;
    expect(folder.list()).toEqual(['long.safetensors']);
  });

  test('aborts a job that has not begun when the port closes', async () => {
    writeLongModel();
    const client = openClient();
    const service = new QuantizeService(client.port);
    client.send(start(1, 'long.safetensors', 'out.safetensors'));
    client.close();
    await service.closed;
    expect(folder.list()).toEqual(['long.safetensors']);
  });

  test('runs jobs side by side; a cancel ends its own only', async () => {
    writeLongModel();
    folder.write('in.safetensors', modelFile([bfloatTensor('a.weight', [256, 1024])]));
    const client = openClient();
    const service = new QuantizeService(client.port);
    client.send(start('long', 'long.safetensors', 'long-out.safetensors'));
    await client.next(isBytesEvent);
    client.send(start('short', 'in.safetensors', 'out.safetensors'));
    expect(await client.outcome('short')).toMatchObject({ type: 'done' });
    client.send({ type: 'cancel', job: 'long' });
    expect(await client.outcome('long')).toMatchObject({ type: 'failed', code: 'aborted' });
    expect(folder.list()).toEqual(['in.safetensors', 'long.safetensors', 'out.safetensors']);
    await service.close();
  });

  test('answers messages that mean nothing, and goes on', async () => {
    const client = openClient();
    const service = new QuantizeService(client.port);
    const senseless = [null, 7, 'start', [], {}, { type: 'stop', job: 5 }];
    for (const message of senseless) client.send(message);
    client.send({ type: 'cancel', job: 'none' });
    client.send({ type: 'start', job: 'empty' });
    client.send({ ...start('bits', 'in.safetensors', 'out.safetensors'), options: { bits: 3 } });
    client.send({ ...start('text', 'in', 'out'), options: 'Q4_K_M' });
    const { code, message } = await client.outcome('empty');
    expect([code, message]).toEqual(['invalid_option', expect.stringContaining('undefined')]);
    expect(await client.outcome('bits')).toMatchObject({ code: 'invalid_bit_width' });
    expect(await client.outcome('text')).toMatchObject({ type: 'failed' });
    const refused = client.received.filter((one) => one.code === 'invalid_message');
    expect(refused.map(({ job }) => job)).toEqual([...Array(5).fill(undefined), 5]);
    await service.close();
  });

  test('refuses a number that is in use', async () => {
    writeLongModel();
    const client = openClient();
    const service = new QuantizeService(client.port);
    client.send(start(1, 'long.safetensors', 'out.safetensors'));
    client.send(start(1, 'long.safetensors', 'other.safetensors'));
    expect(await client.outcome(1)).toMatchObject({ type: 'failed', code: 'invalid_message' });
    await service.close();
    expect(folder.list()).toEqual(['long.safetensors']);
  });

  test('says why there is no quantizer, to every job', async () => {
    const client = openClient();
    const service = new QuantizeService(client.port, () => ArrowQuant.create({ threads: -1 }));
    for (const job of [1, 2]) {
      client.send(start(job, 'in.safetensors', 'out.safetensors'));
      expect(await client.outcome(job)).toMatchObject({
        code: 'invalid_option',
        message: expect.stringContaining('-1'),
      });
    }
    client.close();
    await service.closed;
  });
});
