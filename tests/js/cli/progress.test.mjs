import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { progressOn, shorten } from '../support/internals.mjs';

// eslint-disable-next-line no-control-regex -- what moves a terminal's cursor begins with a control character
const kMovesOfCursor = /\u001b\[[?0-9;]*[a-zA-Z]/g;

const kWidth = 100;

/** A stream that keeps what is written, and is a terminal or not. */
function streamOf(isTTY) {
  const written = [];
  const stream = new Writable({
    write(chunk, _, done) {
      written.push(String(chunk));
      done();
    },
  });
  return Object.assign(stream, { isTTY, columns: kWidth, cursorTo() {}, clearLine() {}, moveCursor() {}, written });
}

function feed(view, count, downloadedBytes = 0) {
  view.onEvent({ type: 'start', tensors: count, bytes: count * 1e6 });
  for (let done = 1; done <= count; ++done) {
    const tensor = `unet.blocks.${done}.a.very.long.name.that.no.terminal.has.room.for.when.it.is.this.long.weight`;
    const rate = { seconds: done / 100, bytesPerSecond: 1e8, secondsLeft: (count - done) / 100, downloadedBytes };
    view.onEvent({ type: 'bytes', tensor, done: done * 1e6, bytes: count * 1e6, ...rate });
    view.onEvent({ type: 'tensor', report: { name: tensor }, done, tensors: count });
  }
}

describe('progress', () => {
  test('is one bar on a terminal, no line longer than it is wide', async () => {
    const stream = streamOf(true);
    const view = progressOn(stream, false);
    feed(view, 50);
    await new Promise((resolve) => setImmediate(resolve));
    view.stop();
    const text = stream.written.join('');
    expect(text).toContain('░');
    for (const line of text.replace(kMovesOfCursor, '\n').split('\n')) expect(line.length).toBeLessThan(kWidth);
  });

  test('tells of what is measured before, on a bar of its own or in one line', async () => {
    const texts = [];
    for (const isTTY of [true, false]) {
      const stream = streamOf(isTTY);
      const view = progressOn(stream, false);
      for (let done = 1; done <= 3; ++done)
        view.onEvent({ type: 'measure', tensor: 'a\u009bb'.repeat(90), done, tensors: 3 });
      await new Promise((resolve) => setImmediate(resolve));
      feed(view, 10);
      view.stop();
      texts.push(stream.written.join(''));
    }
    const [bar, lines] = texts;
    expect(bar).toContain('of 3 tensors measured  a');
    for (const line of bar.replace(kMovesOfCursor, '\n').split('\n')) expect(line.length).toBeLessThan(kWidth);
    expect(lines).toMatch(/^3 of 3 tensors measured\n10 %: /u);
  });

  test('is a line for each tenth elsewhere', () => {
    const stream = streamOf(false);
    const view = progressOn(stream, false);
    feed(view, 50);
    view.stop();
    expect(stream.written).toHaveLength(10);
    expect(stream.written[0]).toBe(
      '10 %: 4 of 50 tensors, 5.00 MB of 50.0 MB, 0.10 GB/s, ETA 0.5 s: ' +
        'unet.blocks.5.a.very.long.name.that.no.terminal.has.room.for.when.it.is.this.long.weight\n',
    );
    expect(stream.written.at(-1)).toMatch(/^100 %: 50 of 50 tensors, 50\.0 MB of 50\.0 MB, /);
  });

  test('tells how much was downloaded of what lies on a server', () => {
    const stream = streamOf(false);
    feed(progressOn(stream, false), 50, 5_100_000);
    expect(stream.written[0]).toContain('ETA 0.5 s, 5.10 MB downloaded: unet');
  });

  test('is nothing when it is to be silent', () => {
    const stream = streamOf(true);
    const view = progressOn(stream, true);
    feed(view, 5);
    view.stop();
    expect(stream.written).toEqual([]);
  });

  test('stops before it has begun', () => {
    const stream = streamOf(true);
    progressOn(stream, false).stop();
    expect(stream.written).toEqual([]);
  });
});

test('shorten cuts names in the middle', () => {
  expect(shorten('abcdefghij', 10)).toBe('abcdefghij');
  expect(shorten('abcdefghij', 5)).toBe('ab…ij');
  expect(shorten('abcdefghij', 2)).toBe('…j');
});
