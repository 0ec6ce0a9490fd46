import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { QuantizeError } from 'arrowquant';
import { nodeFiles, ownIdentity, removeUnfinished } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { fixturePath } from '../../support/child.mjs';

const folder = useFolder();
const goOn = () => undefined;
const open = (name, plan) => nodeFiles.openSink(folder.path(name), { inputs: [], ...plan });
const text = (name) => readFileSync(folder.path(name), 'latin1');
const aborted = () => new QuantizeError('aborted');

describe('several files', () => {
  const files = [
    { name: 'm-1-of-2.gguf', bytes: 3 },
    { name: 'm-2-of-2.gguf', bytes: 2 },
  ];

  test('take their names together', async () => {
    folder.write('m-2-of-2.gguf', 'the old one');
    const sink = await open('m.gguf', { bytes: 5, files });
    expect(sink.files.map(({ name }) => name)).toEqual(files.map(({ name }) => folder.path(name)));
    await sink.files[1].write(Buffer.from('de'), 0);
    await sink.write(Buffer.from('abc'), 0);
    expect(text('m-2-of-2.gguf')).toBe('the old one');
    await sink.commit(goOn);
    expect([text('m-1-of-2.gguf'), text('m-2-of-2.gguf')]).toEqual(['abc', 'de']);
    expect(folder.list()).toEqual(['m-1-of-2.gguf', 'm-2-of-2.gguf']);
  });

  test('leave nothing when the last cannot be written, or it ends early', async () => {
    folder.write('m-1-of-2.gguf', 'the old one');
    for (const late of [1, 2]) {
      const sink = await open('m.gguf', { bytes: 5, files });
      let calls = 0;
      const reason = aborted();
      const commit = sink.commit(() => {
        if (++calls === late) throw reason;
      });
      await expect(commit).rejects.toBe(reason);
      await sink.discard(reason);
    }
    mkdirSync(folder.path('m-2-of-2.gguf'));
    await expect(open('m.gguf', { bytes: 5, files })).rejects.toMatchObject({ code: 'unwritable_output' });
    expect(folder.list()).toEqual(['m-1-of-2.gguf', 'm-2-of-2.gguf']);
    expect(text('m-1-of-2.gguf')).toBe('the old one');
  });

  test('are refused when there is no room for them together', async () => {
    const large = files.map(({ name }) => ({ name, bytes: 2 ** 52 }));
    await expect(open('m.gguf', { bytes: 2 ** 53, files: large })).rejects.toMatchObject({ code: 'disk_full' });
    expect(folder.list()).toEqual([]);
  });
});

describe('one part of an output', () => {
  const files = [{ name: 'm-1-of-2.gguf', bytes: 3 }];
  const partOf = (textOf) => ({ allNames: [], manifest: { name: 'm-1-of-2.gguf.part.json', textOf } });

  test('gets a manifest with the sums of its files', async () => {
    const sink = await open('m-1-of-2.gguf', { bytes: 3, files, part: partOf(JSON.stringify) });
    await sink.write(Buffer.from('abc'), 0);
    await sink.commit(goOn);
    expect(folder.list()).toEqual(['m-1-of-2.gguf', 'm-1-of-2.gguf.part.json']);
    const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    expect(JSON.parse(text('m-1-of-2.gguf.part.json'))).toEqual([{ name: 'm-1-of-2.gguf', bytes: 3, sha256 }]);
  });

  test.each([
    ['the manifest fails', 'unwritable_output', () => undefined],
    ['it is aborted while it is summed up', 'aborted', (controller) => controller.abort()],
  ])('has neither file nor manifest when %s', async (_, code, end) => {
    const controller = new AbortController();
    const part = partOf(() => {
      throw new Error('no text');
    });
    const sink = await open('m-1-of-2.gguf', { bytes: 3, files, part, signal: controller.signal });
    await sink.write(Buffer.from('abc'), 0);
    await expect(sink.commit(() => end(controller))).rejects.toMatchObject({ code });
    await sink.discard();
    expect(folder.list()).toEqual([]);
  });
});

describe('resuming', () => {
  const plan = { bytes: 8, resume: { fingerprint: 'the same' } };
  const kLeft = ['.out.gguf.arrowquant-journal', '.out.gguf.arrowquant-resume'];

  /** Leaves an output with the tensors a and b, of 3 bytes each. */
  async function leave(more = {}) {
    const sink = await open('out.gguf', { ...plan, ...more });
    expect([...sink.completed]).toEqual([]);
    await sink.write(Buffer.from('aaabbb'), 0);
    await Promise.all([sink.complete('a'), sink.complete('b\n"ü')]);
    await sink.discard(aborted());
  }

  test('keeps what is complete after an abort, goes on with it, and leaves nothing beside the output', async () => {
    folder.write('out.gguf', 'the old one');
    await leave();
    expect(folder.list()).toEqual([...kLeft, 'out.gguf']);
    expect(text('out.gguf')).toBe('the old one');
    const sink = await open('out.gguf', plan);
    expect([...sink.completed]).toEqual(['a', 'b\n"ü']);
    await sink.write(Buffer.from('cc'), 6);
    await sink.complete('c');
    await sink.commit(goOn);
    await sink.discard(aborted());
    expect(text('out.gguf')).toBe('aaabbbcc');
    expect(folder.list()).toEqual(['out.gguf']);
  });

  test.each([
    ['the fingerprint is another', {}, { resume: { fingerprint: 'another' } }],
    ['the size is another', {}, { bytes: 9 }],
    ['the files are others', { files: [{ name: 'x.gguf', bytes: 8 }] }, {}],
  ])('starts anew when %s', async (_title, before, after) => {
    await leave(before);
    const sink = await open('out.gguf', { ...plan, ...after });
    expect(sink.completed.size).toBe(0);
    expect(folder.list()).toEqual([kLeft[0], '.out.gguf.arrowquant-lock', kLeft[1]]);
    await sink.commit(goOn);
    expect(text('out.gguf')).toBe('\0'.repeat(after.bytes ?? 8));
    expect(folder.list()).toEqual(['out.gguf']);
  });

  test.each([
    ['is shorter', () => truncateSync(folder.path(kLeft[1]), 7)],
    ['is gone', () => renameSync(folder.path(kLeft[1]), folder.path('elsewhere'))],
    [
      'leads elsewhere',
      () => {
        renameSync(folder.path(kLeft[1]), folder.path('elsewhere'));
        symlinkSync(folder.path('elsewhere'), folder.path(kLeft[1]));
      },
    ],
  ])('starts anew when the unfinished file %s', async (_title, damage) => {
    await leave();
    damage();
    const sink = await open('out.gguf', plan);
    expect(sink.completed.size).toBe(0);
    await sink.commit(goOn);
    expect(text('out.gguf')).toBe('\0'.repeat(8));
  });

  test('ignores a line that was being written, and writes the next one properly', async () => {
    await leave();
    const whole = readFileSync(folder.path(kLeft[0]));
    const noted = (bytes) => bytes.toString().split('\n').length - 2;
    for (let length = whole.length; length >= 0; --length) {
      writeFileSync(folder.path(kLeft[0]), whole.subarray(0, length));
      const expected = length < whole.indexOf('\n') + 1 ? -1 : noted(whole.subarray(0, length));
      const sink = await open('out.gguf', plan);
      expect(sink.completed.size).toBe(Math.max(0, expected));
      await sink.complete('z');
      await sink.discard(aborted());
      const again = await open('out.gguf', plan);
      expect([...again.completed].at(-1)).toBe('z');
      expect(again.completed.size).toBe(Math.max(0, expected) + 1);
      await again.discard(aborted());
    }
  });

  test('ignores nonsense in the journal', async () => {
    await leave();
    appendFileSync(folder.path(kLeft[0]), '{"completed":7}\n{"completed":"later"}\n');
    const sink = await open('out.gguf', plan);
    expect([...sink.completed]).toEqual(['a', 'b\n"ü']);
    await sink.discard(aborted());
    writeFileSync(folder.path(kLeft[0]), '[1]\nnull\n');
    const anew = await open('out.gguf', plan);
    expect(anew.completed.size).toBe(0);
    await anew.discard();
    expect(folder.list()).toEqual([]);
  });

  test('keeps nothing when nothing is complete, or another run would fail again', async () => {
    const empty = await open('out.gguf', plan);
    await empty.discard(aborted());
    expect(folder.list()).toEqual([]);
    const hopeless = await open('out.gguf', plan);
    await hopeless.complete('a');
    await hopeless.discard(new QuantizeError('not_finite', { layer: 'b' }));
    expect(folder.list()).toEqual([]);
  });

  test('works for several files, and for long names', async () => {
    const files = ['1', '2'].map((number) => ({ name: `${'n'.repeat(240)}-${number}.gguf`, bytes: 4 }));
    const first = await open(`${'n'.repeat(240)}.gguf`, { ...plan, files });
    await first.files[1].write(Buffer.from('22'), 2);
    await first.complete('a');
    await first.discard(aborted());
    expect(folder.list().length).toBe(3);
    const second = await open(`${'n'.repeat(240)}.gguf`, { ...plan, files });
    expect([...second.completed]).toEqual(['a']);
    await second.commit(goOn);
    expect(folder.list()).toEqual(files.map(({ name }) => name));
    expect(text(files[1].name)).toBe('\0\x0022');
  });

  test('a second one at the same time is refused; the first goes on', async () => {
    const sink = await open('out.gguf', plan);
    await expect(open('out.gguf', plan)).rejects.toMatchObject({
      code: 'unwritable_output',
      file: folder.path('out.gguf'),
      message: expect.stringMatching(new RegExp(`process ${process.pid} is writing it`)),
    });
    await sink.write(Buffer.from('abcdefgh'), 0);
    await sink.commit(goOn);
    expect(text('out.gguf')).toBe('abcdefgh');
    expect(folder.list()).toEqual(['out.gguf']);
  });

  test.each([
    ['a process that has ended', { ...ownIdentity(), pid: 2 ** 22 + 1, started: null }],
    ['a process whose number is used again', { ...ownIdentity(), started: 'long ago' }],
    ['nobody', ''],
  ])('takes over the lock of %s', async (_title, holder) => {
    folder.write('.out.gguf.arrowquant-lock', JSON.stringify(holder));
    const sink = await open('out.gguf', plan);
    await sink.commit(goOn);
    expect(folder.list()).toEqual(['out.gguf']);
  });

  test('removeUnfinished() removes the lock and what cannot be resumed, and nothing else', async () => {
    const kept = await open('out.gguf', plan);
    await kept.complete('a');
    const lost = await open('other.gguf', { bytes: 4 });
    removeUnfinished();
    expect(folder.list()).toEqual(kLeft);
    await lost.discard();
    await kept.discard(aborted());
  });
});

describe('SIGKILL', () => {
  const kTensors = 6;
  const kBytes = 100_000;
  const children = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** Starts the writer and resolves, with the process, when it has noted as many tensors as it was told. */
  async function write(most) {
    const args = [fixturePath('killed-writer.mjs'), folder.path('out.gguf'), kTensors, kBytes, most].map(String);
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let said = '';
    child.stdout.on('data', (data) => (said += data));
    const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)));
    await new Promise((resolve, reject) => {
      child.stdout.on('data', () => said.endsWith('ready\n') && resolve());
      void ended.then(() => reject(new Error(`the writer ended; it said ${said}`)));
    });
    return { child, ended };
  }

  test('in the middle leaves the old output, and what was complete; nobody else writes meanwhile', async () => {
    folder.write('out.gguf', 'the old one');
    const plan = { bytes: kTensors * kBytes, resume: { fingerprint: 'the same' } };
    const { child, ended } = await write(4);
    await expect(open('out.gguf', plan)).rejects.toThrow(new RegExp(`process ${child.pid} is writing it`));
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    expect(text('out.gguf')).toBe('the old one');

    const sink = await open('out.gguf', plan);
    const done = ['tensor.0', 'tensor.1', 'tensor.2', 'tensor.3'];
    expect([...sink.completed]).toEqual(done);
    for (let index = done.length; index < kTensors; ++index) {
      await sink.write(Buffer.alloc(kBytes, index + 1), index * kBytes);
    }
    await sink.commit(goOn);
    const all = readFileSync(folder.path('out.gguf'));
    const expected = Buffer.concat(Array.from({ length: kTensors }, (_, index) => Buffer.alloc(kBytes, index + 1)));
    expect(all.equals(expected)).toBe(true);
    expect(folder.list()).toEqual(['out.gguf']);
    expect(statSync(folder.path('out.gguf')).size).toBe(kTensors * kBytes);
  });
});
