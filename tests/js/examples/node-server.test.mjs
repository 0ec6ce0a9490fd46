import { symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { request as rawRequest } from 'node:http';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { installExample } from './support/example.mjs';

const example = installExample('node');
const { serve } = await example.import('serve.mjs');
const folder = useFolder();
afterAll(example.remove);

let server;
beforeEach(async () => {
  folder.write('file.bin', Buffer.from('0123456789'));
  folder.write('empty.bin', '');
  server = await serve(folder.at);
});
afterEach(() => server.close());

const ask = (headers = {}, { name = 'file.bin', method = 'GET' } = {}) =>
  fetch(new URL(name, server.url), { method, headers });

describe('the example’s server', () => {
  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=8-', '89', 'bytes 8-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=9-99', '9', 'bytes 9-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
  ])('answers %s', async (range, text, contentRange) => {
    const response = await ask({ range });
    expect([response.status, response.headers.get('content-range')]).toEqual([206, contentRange]);
    expect(response.headers.get('content-length')).toBe(String(text.length));
    expect(await response.text()).toBe(text);
  });

  test.each(['bytes=10-', 'bytes=5-2', 'bytes=-0'])('refuses %s', async (range) => {
    const response = await ask({ range });
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */10']);
  });

  test.each([undefined, 'bytes=-', 'lines=1-2', 'bytes=0-1,4-5'])(
    'sends everything for the range %s',
    async (range) => {
      const response = await ask(range && { range });
      expect([response.status, await response.text()]).toEqual([200, '0123456789']);
    },
  );

  test('sends an empty file, and headers alone', async () => {
    const empty = await ask({}, { name: 'empty.bin' });
    expect([empty.status, await empty.text()]).toEqual([200, '']);
    const head = await ask({}, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', '']);
    expect((await ask({}, { method: 'POST' })).status).toBe(405);
  });

  test('has an ETag that changes with the file', async () => {
    const tag = (await ask()).headers.get('etag');
    expect((await ask({ 'if-none-match': tag })).status).toBe(304);
    expect((await ask({ range: 'bytes=0-1', 'if-range': tag })).status).toBe(206);
    writeFileSync(folder.path('file.bin'), 'abcdefghij');
    utimesSync(folder.path('file.bin'), 1e9, 1e9);
    const changed = await ask({ 'if-none-match': tag });
    expect([changed.status, await changed.text()]).toEqual([200, 'abcdefghij']);
    expect((await ask({ range: 'bytes=0-1', 'if-range': tag })).status).toBe(200);
  });

  test.each(['/', '/missing', '/../package.json', '/..%2f..%2fetc%2fpasswd', '/%00', '/%E0%A4%A', '/link'])(
    'has nothing at %s',
    async (address) => {
      symlinkSync(example.path('serve.mjs'), folder.path('link'));
      expect(await statusOf(address)).toBe(404);
    },
  );
});

/** Sends the address as it is: `fetch` would tidy it up. */
function statusOf(address) {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    rawRequest({ hostname, port, path: address }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}
