import { File } from 'node:buffer';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { startHub } from '../../support/hub.mjs';
import { halfTensor, modelFile } from '../../support/models/safetensors.mjs';
import { importBundled } from '../support/bundled.mjs';

const kRemote = modelFile([halfTensor('remote.weight', [64, 64])]);
const kFiles = ['first', 'second'].map(
  (name) => new File([modelFile([halfTensor(`${name}.weight`, [64, 64])])], `${name}.safetensors`),
);

let Session;
let session;
let hub;

beforeAll(async () => {
  // Node has it as a global from version 20 on, test environments may not.
  globalThis.File ??= File;
  ({ Session } = await importBundled('engine/session.ts'));
});
beforeEach(async () => {
  hub = await startHub({ 'team/model': { files: { 'model.safetensors': kRemote } } });
  session = new Session(() => undefined);
});
afterEach(() => hub.close());

const local = (...files) => ({ files, paths: [] });
const remote = () => ({ address: 'hf:team/model', accessToken: 'hf_valid', hubUrl: hub.url });
const planned = async () => (await session.plan({ bits: 4 })).tensors.map(({ name }) => name);

/** Opens the model on the hub, which is not answered: resolves when it has been asked for, to what comes of it. */
async function openingSlowly() {
  let outcome;
  await new Promise((resolve) => {
    hub.before.hub = () => {
      resolve();
      return true;
    };
    outcome = session.open(remote()).then(
      () => 'open',
      ({ code }) => code,
    );
  });
  return { outcome };
}

test('a file that is dropped while an address is opened is the model', async () => {
  const { outcome } = await openingSlowly();
  await session.open(local(kFiles[0]));
  await expect(outcome).resolves.toBe('aborted');
  await expect(planned()).resolves.toEqual(['first.weight']);
});

test('of several openings at once the last one is the model', async () => {
  const outcomes = await Promise.allSettled(
    [remote(), local(kFiles[0]), local(kFiles[1])].map((source) => session.open(source)),
  );
  expect(outcomes.map(({ status, reason }) => reason?.code ?? status)).toEqual(['aborted', 'aborted', 'fulfilled']);
  await expect(planned()).resolves.toEqual(['second.weight']);
});

test('to close ends what is being opened, and its address and token are forgotten', async () => {
  const { outcome } = await openingSlowly();
  await session.close();
  await expect(outcome).resolves.toBe('aborted');
  await expect(planned()).rejects.toMatchObject({ code: 'unreadable_input' });
  const asked = hub.requests.length;
  hub.before = {};
  await session.open(local(kFiles[0]));
  expect(hub.requests.length).toBe(asked);
});
