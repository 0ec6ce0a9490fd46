import { ReadableStream } from 'node:stream/web';
import { describe, expect, test } from '@jest/globals';
import { HTTP_SETTINGS, openHttp } from '../../support/internals.mjs';

const kQuick = { ...HTTP_SETTINGS, firstDelay: 1, longestDelay: 1 };
/** Waits that only the signal can end. */
const kEndless = { ...HTTP_SETTINGS, firstDelay: 1e9, longestDelay: 1e9, stallLimit: 1e9 };
const kAddress = 'https://models.example/a?signature=s1gned';
const kHeaders = { 'content-range': 'bytes 0-99/100', etag: '"one"' };

const never = () => new Promise(() => undefined);

const open = (fetch, { settings = kQuick, signal } = {}) =>
  openHttp(new URL(kAddress), { settings, signal, options: { fetch } });

describe("a caller's fetch that knows nothing of the signal", () => {
  const stalling = [
    ['that never answers', never],
    [
      'whose body never comes',
      async () => new Response(new ReadableStream({ pull: never }), { status: 206, headers: kHeaders }),
    ],
  ];

  test.each(stalling)('%s ends with it', async (_title, fetch) => {
    const controller = new AbortController();
    const asked = (...request) => {
      queueMicrotask(() => controller.abort(new Error('enough')));
      return fetch(...request);
    };
    const opening = open(asked, { settings: kEndless, signal: controller.signal });
    await expect(opening).rejects.toMatchObject({ code: 'aborted', cause: new Error('enough') });
  });

  test.each(stalling)('%s is given up in time', async (_title, fetch) => {
    const opening = open(fetch, { settings: { ...kQuick, stallLimit: 5 } });
    await expect(opening).rejects.toThrow(/nothing came for 0\.005 seconds \(tried [36] times\)/);
  });

  test('whose answer cannot be cancelled is asked again', async () => {
    const redirect = () =>
      Object.assign(new Response(new ReadableStream({ cancel: never }), { status: 302, headers: { location: '/b' } }));
    const fetch = async (url) =>
      url.endsWith('/b') ? new Response(new Uint8Array(100), { status: 206, headers: kHeaders }) : redirect();
    expect((await open(fetch)).size).toBe(100);
  });
});

test('a signal that has fired before a wait begins ends it', async () => {
  const controller = new AbortController();
  const fetch = () => {
    controller.abort(new Error('enough'));
    return Promise.resolve(new Response(null, { status: 503, headers: { 'retry-after': '100' } }));
  };
  const opening = open(fetch, { settings: kEndless, signal: controller.signal });
  await expect(opening).rejects.toMatchObject({ code: 'aborted', cause: new Error('enough') });
});

test.each(['100000', '9'.repeat(400)])('a wait is no longer than is bearable: Retry-After %p', async (asked) => {
  let tries = 0;
  const fetch = () => {
    const headers = ++tries === 1 ? { 'retry-after': asked } : kHeaders;
    return Promise.resolve(new Response(new Uint8Array(100), { status: tries === 1 ? 503 : 206, headers }));
  };
  // As long as a test may take it would wait otherwise.
  expect((await open(fetch, { settings: { ...kQuick, longestAsked: 1 } })).size).toBe(100);
});

describe('the query of an address, which may be a signature, is not in what is said', () => {
  test.each([
    ['of Deno', `error sending request for url (${kAddress}): connection refused`, 'a): connection refused'],
    ['of Bun', `Unable to connect to ${kAddress}`, 'a (tried'],
    ['with quotation marks', `"${kAddress}" is asleep`, 'a" is asleep'],
  ])('in the words %s', async (_title, words, end) => {
    const error = await open(() => Promise.reject(new TypeError(words))).catch((reason) => reason);
    expect(error.message).toContain(`https://models.example/${end}`);
    expect(`${error.message} ${String(error.cause?.message)} ${error.stack}`).not.toContain('s1gned');
  });

  test('nor in the cause of the cause', async () => {
    const cause = new Error(`no ${kAddress}`);
    const error = await open(() => Promise.reject(new TypeError('failed', { cause }))).catch((reason) => reason);
    expect(error.message).toContain('no https://models.example/a (tried');
    expect(error.cause).toBe(undefined);
  });
});
