import { describe, expect, test } from '@jest/globals';
import { HTTP_SETTINGS, nodeFiles, openHttp } from '../../support/internals.mjs';
import { answer, rangeOf, useServers } from '../support/server.mjs';

const servers = useServers();

/** As in use, but without the long waits. */
const kQuick = { ...HTTP_SETTINGS, firstDelay: 1 };
/** On a busy machine good connections stall as well, and are tried again. */
const kImpatient = { ...kQuick, stallLimit: 200, attempts: 1000, firstAttempts: 1000 };
/** Waits that only the signal can end. */
const kEndless = { ...HTTP_SETTINGS, firstDelay: 1e9, longestDelay: 1e9, stallLimit: 1e9 };
const kContents = Buffer.from(Uint8Array.from({ length: 5_000_001 }, (_, index) => (index * 2654435761) >>> 24));

const open = (url, signal, settings = kQuick) => openHttp(new URL(url), { signal, settings });

async function expectBytes(source, begin, end) {
  const into = new Uint8Array(new SharedArrayBuffer(end - begin));
  await source.read(into, begin);
  expect(kContents.subarray(begin, end).equals(Buffer.from(into.slice()))).toBe(true);
}

describe('a good server', () => {
  const serve = () => servers.serve((request, response) => answer(request, response, kContents));

  test('gives size, name and any bytes, into shared memory, several at once', async () => {
    const server = await serve();
    const source = await open(server.url('/folder/model.safetensors?signature=secret'));
    expect(source.size).toBe(kContents.length);
    expect(source.name).toBe(server.url('/folder/model.safetensors'));
    expect(source.version).toContain('"one"');
    const stretches = [
      [0, 10],
      [65_530, 65_540],
      [1_000_000, 5_000_001],
      [5_000_000, 5_000_001],
      [7, 4_000_000],
      [0, 0],
    ];
    await Promise.all(stretches.map(([begin, end]) => expectBytes(source, begin, end)));
    await expect(source.read(new Uint8Array(2), kContents.length - 1)).rejects.toMatchObject({
      code: 'unreadable_input',
      file: source.name,
    });
  });

  test('is asked few times for what is read in small pieces', async () => {
    const server = await serve();
    const source = await open(server.url('/a'));
    for (let begin = 0; begin < 4_000_000; begin += 1000) await expectBytes(source, begin, begin + 1000);
    expect(server.requests.length).toBeLessThan(10);
  });

  test('gives siblings without the query, and says which are missing', async () => {
    const server = await servers.serve((request, response) => {
      if (request.url === '/a/gone.safetensors') response.writeHead(404).end();
      else answer(request, response, kContents);
    });
    const source = await open(server.url('/a/model.safetensors.index.json?download=true'));
    const sibling = await source.sibling('part #1?.safetensors');
    await expectBytes(sibling, 3, 30);
    expect(server.requests.at(-1).url).toBe('/a/part%20%231%3F.safetensors');
    await expect(source.sibling('gone.safetensors')).rejects.toMatchObject({
      code: 'missing_shard',
      file: server.url('/a/gone.safetensors'),
    });
    expect(server.requests.length).toBe(3);
  });

  test('may redirect, every time', async () => {
    const server = await servers.serve((request, response) => {
      if (request.url === '/a') response.writeHead(302, { location: '/elsewhere/b?signed' }).end();
      else answer(request, response, kContents);
    });
    const source = await open(server.url('/a'));
    await expectBytes(source, 1_000_000, 2_000_000);
    expect(server.requests.map(({ url }) => url)).toEqual(['/a', '/elsewhere/b?signed', '/a', '/elsewhere/b?signed']);
  });

  test('may send less than was asked for: the rest is asked for again', async () => {
    const server = await servers.serve((request, response) => {
      const [begin, end] = rangeOf(request, kContents.length);
      const short = Math.min(end, begin + 1_000_000);
      response.writeHead(206, { 'content-range': `bytes ${begin}-${short - 1}/${kContents.length}` });
      response.end(kContents.subarray(begin, short));
    });
    const source = await open(server.url('/a'), undefined, {
      ...kQuick,
      firstDelay: 1_000_000,
      longestDelay: 1_000_000,
    });
    await expectBytes(source, 100, 4_900_000);
    expect(server.requests.length).toBe(6);
  });

  test('may give little at a time, as long as it says so', async () => {
    const server = await servers.serve((request, response) => {
      const [begin, end] = rangeOf(request, kContents.length);
      const short = Math.min(end, begin + 10_000);
      response.writeHead(206, { 'content-range': `bytes ${begin}-${short - 1}/${kContents.length}` });
      response.end(kContents.subarray(begin, short));
    });
    const source = await open(server.url('/a'), undefined, { ...kQuick, firstDelay: 1_000_000 });
    await expectBytes(source, 100, 200_000);
    expect(server.requests.length).toBe(27);
  });

  test.each([206, 416, 200])('may have an empty file, and answer %p', async (status) => {
    const server = await servers.serve((_request, response) => {
      response.writeHead(status, status === 200 ? { 'content-length': 0 } : { 'content-range': 'bytes */0' }).end();
    });
    if (status === 206) await expect(open(server.url('/a'))).rejects.toMatchObject({ code: 'unreadable_input' });
    else expect((await open(server.url('/a'))).size).toBe(0);
  });
});

describe('what passes is tried again', () => {
  test.each([429, 500, 502, 503, 504])('after the answer %p', async (status) => {
    const server = await servers.serve((request, response, attempt) => {
      if (attempt % 3 !== 0) response.writeHead(status).end('busy');
      else answer(request, response, kContents);
    });
    const source = await open(server.url('/a'));
    await expectBytes(source, 1_000_000, 3_000_000);
    expect(server.requests.length).toBe(6);
  });

  test('a connection that breaks goes on where it broke', async () => {
    const server = await servers.serve((request, response, attempt) => {
      if (attempt === 1) return answer(request, response, kContents);
      const [begin, end] = rangeOf(request, kContents.length);
      response.writeHead(206, {
        'content-range': `bytes ${begin}-${end - 1}/${kContents.length}`,
        'content-length': end - begin,
        etag: '"one"',
      });
      response.write(kContents.subarray(begin, Math.min(end, begin + 400_000)), () => response.destroy());
    });
    const source = await open(server.url('/a'));
    await expectBytes(source, 0, 4_000_000);
    const begins = server.requests.map(({ range }) => Number(/\d+/.exec(range)[0]));
    expect(begins.every((begin, index) => index === 0 || begin >= begins[index - 1])).toBe(true);
    expect(begins.length).toBeGreaterThan(6);
  });

  test('a connection that stalls is given up in time', async () => {
    let rests = 0;
    const server = await servers.serve((request, response) => {
      const [begin] = rangeOf(request, kContents.length);
      if (begin === 100_000) {
        response.writeHead(206, { 'content-range': `bytes 100000-199999/${kContents.length}`, etag: '"one"' });
        response.write(kContents.subarray(100_000, 100_010));
      } else if (begin !== 100_010 || ++rests > 1) answer(request, response, kContents);
    });
    const source = await open(server.url('/a'), undefined, kImpatient);
    await expectBytes(source, 100_000, 200_000);
    const ranges = new Set(server.requests.map(({ range }) => range));
    expect([...ranges]).toEqual(['bytes=0-65535', 'bytes=100000-199999', 'bytes=100010-199999']);
    expect(rests).toBeGreaterThan(1);
  });

  test('so many times and no more; the error says why', async () => {
    const server = await servers.serve((_request, response) => response.writeHead(503).end());
    await expect(open(server.url('/a'))).rejects.toMatchObject({
      code: 'unreadable_input',
      file: server.url('/a'),
      message: expect.stringMatching(/answers 503 \(Service Unavailable\) \(tried 6 times\)/),
    });
    expect(server.requests.length).toBe(6);
  });

  test('a server that is not there is an error soon', async () => {
    const server = await servers.serve((request, response) => response.destroy());
    await expect(open(server.url('/a'))).rejects.toMatchObject({ code: 'unreadable_input', file: server.url('/a') });
    expect(server.requests.length).toBe(3);
  });

  test.each([
    ['a wait', (_request, response) => response.writeHead(503, { 'retry-after': '3600' }).end()],
    ['a read that stalls', () => undefined],
  ])('%s ends with the signal', async (_title, second) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const server = await servers.serve((request, response, attempt) => {
      if (attempt === 1) return answer(request, response, kContents);
      second(request, response);
      setTimeout(() => controller.abort(reason), 20);
    });
    const source = await open(server.url('/a'), controller.signal, kEndless);
    await expect(source.read(new Uint8Array(100_000), 100_000)).rejects.toMatchObject({
      code: 'aborted',
      cause: reason,
    });
    const again = openHttp(new URL(server.url('/a')), { signal: controller.signal });
    await expect(again).rejects.toMatchObject({ code: 'aborted', cause: reason });
    expect(server.requests.length).toBe(2);
  });
});

describe('refuses', () => {
  const whole = (_request, response) => response.writeHead(200, { 'content-length': kContents.length }).end(kContents);
  const as = (headers) => (request, response) => answer(request, response, kContents, headers);

  test.each([
    ['no ranges', whole, /does not support range requests; download the file first/],
    ['404', (_request, response) => response.writeHead(404).end(), /answers 404/],
    ['403', (_request, response) => response.writeHead(403).end(), /answers 403/],
    ['501', (_request, response) => response.writeHead(501).end(), /answers 501/],
    ['an unknown size', as({ 'content-range': 'bytes 0-65535/*' }), /does not tell how long/],
    ['another part', as({ 'content-range': 'bytes 5-65540/5000001' }), /another part/],
    ['nonsense', as({ 'content-range': 'all of it' }), /does not say which bytes/],
    ['parts', as({ 'content-range': '', 'content-type': 'multipart/byteranges; boundary=x' }), /several parts/],
    ['an absurd size', as({ 'content-range': 'bytes 0-65535/99999999999999999999' }), /does not tell how long/],
  ])('a server that answers with %s, at once', async (_title, handle, text) => {
    const server = await servers.serve(handle);
    await expect(open(server.url('/a?key=secret'))).rejects.toMatchObject({
      code: 'unreadable_input',
      file: server.url('/a'),
      message: expect.stringMatching(text),
    });
    expect(server.requests.length).toBe(1);
  });

  test('more bytes than were asked for', async () => {
    const server = await servers.serve((request, response, attempt) => {
      if (attempt === 1) return answer(request, response, kContents);
      const [begin, end] = rangeOf(request, kContents.length);
      response.writeHead(206, { 'content-range': `bytes ${begin}-${end - 1}/${kContents.length}`, etag: '"one"' });
      response.end(kContents.subarray(begin, end + 1));
    });
    const source = await open(server.url('/a'));
    await expect(source.read(new Uint8Array(100_000), 100_000)).rejects.toThrow(/more bytes/);
  });

  test.each([
    ['tag', (request, response, contents) => answer(request, response, contents, { etag: '"two"' })],
    ['length', (request, response, contents) => answer(request, response, contents.subarray(1))],
    ['end', (request, response, contents) => answer(request, response, contents.subarray(0, 50_000))],
  ])('a file whose %s changes', async (_title, changed) => {
    const server = await servers.serve((request, response, attempt) => {
      if (attempt === 1) answer(request, response, kContents);
      else changed(request, response, kContents);
    });
    const source = await open(server.url('/a'));
    await expect(source.read(new Uint8Array(100_000), 100_000)).rejects.toMatchObject({
      code: 'unreadable_input',
      message: expect.stringMatching(/changed while it was read/),
    });
  });

  test('passwords in URLs, without repeating them, and other protocols', async () => {
    const secret = nodeFiles.openSource('http://me:hunter2@127.0.0.1/a');
    await expect(secret).rejects.toMatchObject({ code: 'unreadable_input', file: 'http://127.0.0.1/a' });
    await expect(nodeFiles.openSource(new URL('ftp://127.0.0.1/a'))).rejects.toThrow(/only http, https and file/);
  });
});

test('a failed block is not kept: the next read asks again', async () => {
  const server = await servers.serve((request, response, attempt) => {
    if (attempt === 2) response.writeHead(501).end();
    else answer(request, response, kContents);
  });
  const source = await open(server.url('/a'));
  await expect(source.read(new Uint8Array(10), 200_000)).rejects.toThrow(/501/);
  await expectBytes(source, 200_000, 200_010);
});
