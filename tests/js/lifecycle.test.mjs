import { readFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from './support/models/folder.mjs';
import { float32Tensor, modelFile } from './support/models/safetensors.mjs';
import { fixturePath, runFixture } from './support/child.mjs';
import { layersOf, randomWeights } from './support/weights.mjs';

const folder = useFolder();
/** A model of vectors, which stay as they are: the module has no part in it. */
const kKept = modelFile(Array.from({ length: 40 }, (_, index) => float32Tensor(`v${index}.weight`, [16])));
const disposed = { name: 'QuantizeError', code: 'disposed' };

describe.each(['threads', 'workers', 'single'])('dispose, backend %s', (backend) => {
  const create = () => ArrowQuant.create({ backend, threads: 2 });

  test('rejects what is pending, and no callback is called any more', async () => {
    const quantizer = await create();
    const callback = jest.fn();
    const layer = (await quantizer.quantizeBatch({ a: randomWeights(100) }, 4)).get('a');
    const pending = [
      quantizer.quantizeBatchWithProgress(layersOf(50, 100_000), 4, callback),
      quantizer.dequantize(layer),
      quantizer.encode(randomWeights(32), 'Q4_0'),
      quantizer.decode(new Uint8Array(18), 'Q4_0'),
    ];
    await quantizer.dispose();
    for (const { reason } of await Promise.allSettled(pending)) expect(reason).toMatchObject(disposed);
    // Whatever was on its way arrives within a turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    expect(callback).not.toHaveBeenCalled();
  });

  test('makes every later call reject', async () => {
    const quantizer = await create();
    const layer = (await quantizer.quantizeBatch({ a: randomWeights(100) }, 4)).get('a');
    await quantizer.dispose();
    const calls = [
      quantizer.quantizeBatch(new Map(), 4),
      quantizer.quantizeBatchWithProgress(layersOf(1), 4, () => undefined),
      quantizer.dequantize(layer),
      quantizer.encode(randomWeights(32), 'Q4_0'),
      quantizer.decode(new Uint8Array(18), 'Q4_0'),
    ];
    for (const { reason } of await Promise.allSettled(calls)) expect(reason).toMatchObject(disposed);
  });

  test('may be called twice, at once, and through Symbol.asyncDispose', async () => {
    const quantizer = await create();
    await Promise.all([quantizer.dispose(), quantizer.dispose(), quantizer[Symbol.asyncDispose]()]);
    await expect(quantizer.dispose()).resolves.toBeUndefined();
  });

  test('from a progress callback ends the batch there', async () => {
    const quantizer = await create();
    const events = [];
    const promise = quantizer.quantizeBatchWithProgress(layersOf(20), 4, (layer) => {
      events.push(layer);
      void quantizer.dispose();
    });
    await expect(promise).rejects.toMatchObject(disposed);
    await new Promise((resolve) => setImmediate(resolve));
    expect(events).toHaveLength(1);
  });

  test.each([
    ['quantizeFile', 'onTensor', 2],
    ['quantizeFile', 'onTensor', 40],
    ['quantizeFile', 'onEvent', 1],
    ['dequantizeFile', 'progress', 3],
    ['compareFiles', 'progress', 2],
    ['compareFiles', 'progress', 40],
  ])('ends %s from %s, call %i: no callback comes after it, nothing is written', async (method, name, last) => {
    const quantizer = await create();
    const input = folder.write('in.safetensors', kKept);
    const output = folder.write('out.safetensors', method === 'compareFiles' ? kKept : 'the old output');
    const calls = [];
    const known = method === 'compareFiles' ? ['progress'] : ['onTensor', 'onEvent', 'progress'];
    const callbacks = known.map((one) => {
      const tell = () => {
        calls.push(one);
        if (calls.filter((call) => call === name).length === last) void quantizer.dispose();
      };
      return [one, tell];
    });
    const promise = quantizer[method](input, output, Object.fromEntries(callbacks));
    await expect(promise).rejects.toMatchObject(disposed);
    expect(calls.filter((call) => call === name)).toHaveLength(last);
    expect(calls.at(-1)).toBe(name);
    expect(folder.list()).toEqual(['in.safetensors', 'out.safetensors']);
    if (method !== 'compareFiles') expect(readFileSync(output, 'utf8')).toBe('the old output');
  });

  test('rejects calls on files that are pending', async () => {
    const quantizer = await create();
    const input = folder.write('in.safetensors', kKept);
    const pending = [
      quantizer.inspectFile(input),
      quantizer.compareFiles(input, input),
      quantizer.quantizeFile(input, folder.path('out.safetensors'), { signal: new AbortController().signal }),
    ];
    await quantizer.dispose();
    for (const { reason } of await Promise.allSettled(pending)) expect(reason).toMatchObject(disposed);
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('an abort after it has no effect', async () => {
    const quantizer = await create();
    const controller = new AbortController();
    const promise = quantizer.quantizeBatch(layersOf(5, 70_000), 4, { signal: controller.signal });
    await quantizer.dispose();
    controller.abort();
    await expect(promise).rejects.toMatchObject(disposed);
  });

  test('leaves other quantizers alone', async () => {
    const [first, second] = await Promise.all([create(), create()]);
    const weights = layersOf(10, 100_000);
    const promise = second.quantizeBatch(weights, 4);
    await first.dispose();
    expect((await promise).size).toBe(10);
    await second.dispose();
  });
});

test('threads and backend say what was started', async () => {
  const threaded = await ArrowQuant.create({ threads: 3 });
  const working = await ArrowQuant.create({ backend: 'workers', threads: 3 });
  const single = await ArrowQuant.create({ backend: 'single', threads: 3 });
  expect([threaded.backend, threaded.threads]).toEqual(['threads', 3]);
  expect([working.backend, working.threads]).toEqual(['workers', 3]);
  expect([single.backend, single.threads]).toEqual(['single', 0]);
  await Promise.all([threaded, working, single].map((quantizer) => quantizer.dispose()));
});

/** Runs one of the fixtures that print JSON; the process has to end by itself, and well. */
async function outcomeOf(name, args, nodeFlags) {
  const { code, signal, stdout, stderr } = await runFixture(name, { args, nodeFlags });
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

describe('a Node process', () => {
  test.each([
    ['after dispose()', 'disposed'],
    ['without dispose()', 'kept'],
    ['when nothing was asked of the quantizer', 'idle'],
    ['after a failed and an aborted batch', 'failed'],
    ['when nobody awaits the batch', 'unawaited'],
  ])('ends by itself %s', async (_, what) => {
    for (const backend of ['threads', 'workers', 'single']) {
      expect(await outcomeOf('ends-by-itself.mjs', [backend, what])).toEqual({ done: what });
    }
  });
});

test.each(['threads', 'workers'])(
  'a thread that is lost in mid-batch fails what is pending and what comes later, backend %s',
  async (backend) => {
    const lost = { code: 'internal', cause: 'out of memory' };
    expect(await outcomeOf('lost-thread.mjs', [backend])).toEqual([lost, lost, lost]);
  },
);

test.each(['threads', 'workers', 'single'])(
  'a module that aborts fails what is pending and what comes later, backend %s',
  async (backend) => {
    const { code, signal, stdout } = await runFixture('aborting-module.mjs', { args: [backend] });
    expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: '["internal","internal"]' });
  },
);

describe('create() never hangs', () => {
  const quantizes = (backend, fallback = null) => ({ backend, layers: 3, fallback });

  test('without SharedArrayBuffer: auto takes workers', async () => {
    const fallback = 'threads: SharedArrayBuffer is missing';
    expect(await outcomeOf('without-shared-memory.mjs', ['auto'])).toEqual(quantizes('workers', fallback));
    expect(await outcomeOf('without-shared-memory.mjs', ['workers'])).toEqual(quantizes('workers'));
    expect(await outcomeOf('without-shared-memory.mjs', ['single'])).toEqual(quantizes('single'));
  });

  test('without SharedArrayBuffer: threads are refused', async () => {
    const outcome = await outcomeOf('without-shared-memory.mjs', ['threads']);
    expect(outcome).toMatchObject({ name: 'QuantizeError', code: 'backend_unavailable' });
  });

  test.each([
    ['that end with an error', 'failing-thread.cjs', 'failed: this worker does not want to work'],
    ['that never report', 'silent-thread.cjs', 'it was not ready after 2000 ms'],
    ['that exit', 'exiting-thread.cjs', 'failed: it has ended with code 0'],
  ])('with workers %s', async (_, script, reason) => {
    const workerUrl = fixturePath(script);
    const created = await outcomeOf('start.mjs', ['auto', workerUrl]);
    expect(created).toEqual(quantizes('single', expect.stringMatching(/^threads: .*; workers: /)));
    expect(created.fallback.split(reason)).toHaveLength(3);
    expect(created.fallback.split('does workerUrl lead to the worker.js of this version?')).toHaveLength(3);
    for (const backend of ['threads', 'workers']) {
      const refused = { name: 'QuantizeError', code: 'startup_failed', message: expect.stringContaining(reason) };
      expect(await outcomeOf('start.mjs', [backend, workerUrl])).toMatchObject(refused);
    }
  });

  test('with workers that work', async () => {
    expect(await outcomeOf('start.mjs', ['auto'])).toEqual(quantizes('threads'));
    expect(await outcomeOf('start.mjs', ['threads'])).toEqual(quantizes('threads'));
    expect(await outcomeOf('start.mjs', ['workers'])).toEqual(quantizes('workers'));
    expect(await outcomeOf('start.mjs', ['single'])).toEqual(quantizes('single'));
  });

  test('in a worker of Node', async () => {
    expect(await outcomeOf('start-in-worker.mjs', ['auto'])).toEqual(quantizes('threads'));
    expect(await outcomeOf('start-in-worker.mjs', ['workers'])).toEqual(quantizes('workers'));
    expect(await outcomeOf('start-in-worker.mjs', ['single'])).toEqual(quantizes('single'));
  });
});
