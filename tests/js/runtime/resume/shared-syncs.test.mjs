import { readFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { QuantizeError } from 'arrowquant';
import { nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { killCompletions } from '../support/killed-completions.mjs';

const folder = useFolder();
const kJournal = '.out.gguf.arrowquant-journal';
const kUnfinished = '.out.gguf.arrowquant-resume';
const kTensors = 500;
const goOn = () => undefined;
const open = (plan = {}) =>
  nodeFiles.openSink(folder.path('out.gguf'), {
    ...{ bytes: kTensors, inputs: [], resume: { fingerprint: 'the same' } },
    ...plan,
  });
const notedTensors = () => readFileSync(folder.path(kJournal), 'utf8').trimEnd().split('\n').slice(1);

/** Stands before the syncs of all files: each is counted, and does what `act` says. */
const syncs = { count: 0, act: (sync) => sync() };
let prototype;
let original;
beforeEach(async () => {
  const handle = await openFile(folder.path('any'), 'w');
  prototype = Object.getPrototypeOf(handle);
  await handle.close();
  original = prototype.datasync;
  Object.assign(syncs, { count: 0, act: (sync) => sync() });
  prototype.datasync = function () {
    ++syncs.count;
    return syncs.act(() => original.call(this));
  };
});
afterEach(() => (prototype.datasync = original));

async function completeAll(sink) {
  await Promise.all(
    Array.from({ length: kTensors }, async (_, index) => {
      await sink.write(Uint8Array.of(index % 256), index);
      await sink.complete(`tensor ${index}`);
    }),
  );
}

test('tensors that are complete while the disk is busy share two syncs', async () => {
  const sink = await open();
  await sink.write(Uint8Array.of(0), 0);
  let release;
  const held = new Promise((resolve) => (release = resolve));
  syncs.count = 0;
  syncs.act = async (sync) => {
    await held;
    return sync();
  };
  const first = sink.complete('first');
  // The first sync is under way.
  while (syncs.count === 0) await Promise.resolve();
  for (let index = 1; index < kTensors; ++index) await sink.write(Uint8Array.of(1), index);
  const others = Array.from({ length: kTensors - 1 }, (_, index) => sink.complete(`other ${index}`));
  release();
  await Promise.all([first, ...others]);
  expect(syncs.count).toBe(4);
  expect(notedTensors()).toHaveLength(kTensors);
  await sink.commit(goOn);
});

test('a tensor without bytes of its own adds no sync of the output', async () => {
  const sink = await open();
  await sink.write(Uint8Array.of(1), 0);
  await sink.complete('one');
  syncs.count = 0;
  await sink.complete('empty');
  expect(syncs.count).toBe(1);
  await sink.discard();
});

test('nothing is noted after a sync has failed: what the system has lost it tells only once', async () => {
  const sink = await open();
  await sink.write(Uint8Array.of(1), 0);
  syncs.act = async () => {
    syncs.act = (sync) => sync();
    throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  };
  const failure = { code: 'unwritable_output', message: expect.stringMatching(/the device reports an error/) };
  await expect(sink.complete('lost')).rejects.toMatchObject(failure);
  await sink.write(Uint8Array.of(2), 1).catch(() => undefined);
  await expect(sink.complete('later')).rejects.toMatchObject(failure);
  expect(notedTensors()).toEqual([]);
  await sink.discard(new QuantizeError('aborted'));
  expect(folder.list()).toEqual(['any']);
});

test('of tensors that are complete all at once, killed in the middle, those are noted that said so, and their bytes are there', async () => {
  const said = await killCompletions(folder.path('out.gguf'), { tensors: 3000, most: 700 });
  expect(said.length).toBeGreaterThanOrEqual(700);
  const sink = await open({ bytes: 3000 * 8 });
  for (const tensor of said) expect(sink.completed.has(tensor)).toBe(true);
  expect(sink.completed.size).toBeLessThan(3000);
  const bytes = readFileSync(folder.path(kUnfinished));
  for (const tensor of sink.completed) {
    const index = Number(tensor.split(' ')[1]);
    expect(bytes.readBigUInt64LE(index * 8)).toBe(BigInt(index) + 1n);
  }
  await sink.discard();
});

test('all of them are noted when all are complete', async () => {
  const sink = await open();
  await completeAll(sink);
  expect(notedTensors()).toHaveLength(kTensors);
  await sink.commit(goOn);
  expect([...readFileSync(folder.path('out.gguf'))]).toEqual(
    Array.from({ length: kTensors }, (_, index) => index % 256),
  );
});
