import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import { nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { fixturePath } from '../../support/child.mjs';

const folder = useFolder();
const children = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A process that writes an output of that name. */
async function writer(name) {
  const child = spawn(process.execPath, [fixturePath('partial-writer.mjs'), folder.path(name)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return async (signal) => {
    child.kill(signal);
    await once(child, 'exit');
  };
}

async function convert(name, more = {}) {
  const sink = await nodeFiles.openSink(folder.path(name), { bytes: 4, inputs: [], ...more });
  await sink.commit(() => undefined);
}
const partials = () => folder.list().filter((name) => name.endsWith('.partial'));

test.each(['SIGKILL', 'SIGTERM'])('what %s leaves is removed by the next run for that output', async (signal) => {
  const end = await writer('out.gguf');
  await end(signal);
  expect(partials().length).toBe(1);
  await convert('other.gguf');
  expect(partials().length).toBe(1);
  await convert('out.gguf');
  expect(folder.list()).toEqual(['other.gguf', 'out.gguf']);
});

test('what was left of several files is removed, each by a run for it', async () => {
  for (const name of ['out-1.gguf', 'out-2.gguf', 'other.gguf']) await (await writer(name))('SIGKILL');
  const files = ['out-1.gguf', 'out-2.gguf'].map((name) => ({ name, bytes: 2 }));
  await convert('out.gguf', { files });
  expect(partials().length).toBe(1);
  await convert('other.gguf');
  expect(folder.list()).toEqual(['other.gguf', 'out-1.gguf', 'out-2.gguf']);
});

test('a run that can be resumed removes it, too', async () => {
  await (
    await writer('out.gguf')
  )('SIGKILL');
  await convert('out.gguf', { resume: { fingerprint: 'the same' } });
  expect(folder.list()).toEqual(['out.gguf']);
});

test('what cannot be tidied up stays, and fails nothing', async () => {
  const { getuid } = process;
  await (
    await writer('out.gguf')
  )('SIGKILL');
  const [left] = partials();
  // As Deno does without --allow-sys.
  process.getuid = () => {
    throw new Error('refused');
  };
  try {
    await convert('out.gguf');
  } finally {
    process.getuid = getuid;
  }
  expect(folder.list()).toEqual([left, 'out.gguf']);
});

test('what a running process writes stays, and what one of another place has written', async () => {
  const end = await writer('out.gguf');
  const [running] = partials();
  await convert('out.gguf');
  expect(partials()).toEqual([running]);
  await end('SIGKILL');
  // Another container or boot: nobody here knows whether that process runs.
  const foreign = running.replace(/^(\.arrowquant-\d+-\d*-)[\da-f]{12}/, '$1000000000000');
  renameSync(folder.path(running), folder.path(foreign));
  await convert('out.gguf');
  expect(folder.list()).toEqual([foreign, 'out.gguf']);
});
