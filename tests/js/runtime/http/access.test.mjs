import { describe, expect, test } from '@jest/globals';
import { HTTP_SETTINGS, openHttp, openRemote, retryDelay } from '../../support/internals.mjs';
import { answer, useServers } from '../support/server.mjs';

const servers = useServers();
const kQuick = { ...HTTP_SETTINGS, firstDelay: 1, longestDelay: 1 };
const kContents = Buffer.alloc(100, 7);

/** What a server gets to see of a request with these options. */
async function seenWith(options) {
  let seen;
  const server = await servers.serve((request, response) => {
    seen = request.headers;
    answer(request, response, kContents);
  });
  await openHttp(new URL(server.url('/a')), { settings: kQuick, options });
  return seen;
}

test.each([
  ['an object', () => ({ 'X-One': '1', 'x-two': '2' })],
  [
    'pairs',
    () => [
      ['X-One', '1'],
      ['x-two', '2'],
    ],
  ],
  [
    'a Map',
    () =>
      new Map([
        ['X-One', '1'],
        ['x-two', '2'],
      ]),
  ],
  ['Headers', () => new Headers({ 'X-One': '1', 'x-two': '2' })],
  [
    'what has only forEach',
    () => ({
      forEach: (tell) => Object.entries({ 'x-one': '1', 'x-two': '2' }).forEach(([name, value]) => tell(value, name)),
    }),
  ],
  [
    'pairs that can be read once',
    () =>
      [
        ['x-one', '1'],
        ['x-two', '2'],
      ].values(),
  ],
])('headers may be %s', async (_title, make) => {
  await expect(seenWith({ headers: make() })).resolves.toMatchObject({ 'x-one': '1', 'x-two': '2' });
});

test('a header may be called what every object has', async () => {
  await expect(seenWith({ headers: { constructor: '1' } })).resolves.toMatchObject({ constructor: '1' });
});

test('null and undefined are no options', async () => {
  const nothing = { headers: null, fetch: undefined, accessToken: null, hubUrl: undefined };
  await expect(seenWith(nothing)).resolves.not.toHaveProperty('authorization');
});

describe('refused, without repeating what may be secret, are', () => {
  test.each([
    ['headers of another kind', { headers: 's3cret' }, /headers must be an object/],
    ['headers that are no pairs', { headers: ['x-key: s3cret'] }, /a name that no header can have/],
    ['a name that is none', { headers: { 'x s3cret': '1' } }, /a name that no header can have/],
    [
      'a value of two lines',
      { headers: { 'x-key': 's3cret\r\nx-other: 1' } },
      /headers has for x-key what no header can be/,
    ],
    ['a value that is no text', { headers: { 'x-key': 5 } }, /headers has for x-key what/],
    ['a header of every request', { headers: { Range: 'bytes=0-1' } }, /headers has Range, which requests have/],
    ...['Connection', 'Keep-Alive', 'Transfer-Encoding', 'Expect', 'Upgrade'].map((name) => [
      `${name}, which no fetch takes`,
      { headers: { [name]: 's3cret' } },
      new RegExp(`headers has ${name}, which requests have`),
    ]),
    ['headers that are still to come', { headers: Promise.resolve({}) }, /headers is a Promise, did you forget await/],
    ['a token with a line break', { accessToken: 's3cret\n' }, /accessToken must be a text without spaces/],
    ['an empty token', { accessToken: '' }, /accessToken must be a text/],
    ['a hub that is no URL', { hubUrl: 's3cret' }, /hubUrl must be an http or https URL/],
    ['a hub with a password', { hubUrl: 'https://me:s3cret@hub.example' }, /hubUrl must be an http or https URL/],
    ['a fetch that is none', { fetch: 'yes' }, /fetch is "yes", must be a function/],
  ])('%s', async (_title, options, message) => {
    const opening = openRemote(new URL('http://127.0.0.1:9/a'), { settings: kQuick, options });
    await expect(opening).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringMatching(message) });
    await expect(opening).rejects.not.toThrow(/s3cret/);
  });

  test('headers for two servers at once', async () => {
    const [one, two] = await Promise.all(
      [1, 2].map(() => servers.serve((request, response) => answer(request, response, kContents))),
    );
    const options = { headers: { 'x-key': 's3cret' } };
    await openRemote(new URL(one.url('/a')), { settings: kQuick, options });
    await openRemote(new URL(one.url('/b')), { settings: kQuick, options });
    await expect(openRemote(new URL(two.url('/a')), { settings: kQuick, options })).rejects.toThrow(
      /for one server, but/,
    );
    expect(two.requests).toEqual([]);
  });
});

describe('fetch', () => {
  test('of the caller makes all requests', async () => {
    const asked = [];
    const own = async (url, init) => {
      asked.push([url, init.headers]);
      const headers = { 'content-range': `bytes 0-99/100`, etag: '"one"' };
      return new Response(kContents, { status: 206, headers });
    };
    const options = { fetch: own, headers: { 'x-key': '1' } };
    const source = await openHttp(new URL('https://models.example/a'), { settings: kQuick, options });
    expect(source.size).toBe(100);
    expect(asked).toEqual([
      ['https://models.example/a', { 'x-key': '1', range: 'bytes=0-65535', 'accept-encoding': 'identity' }],
    ]);
  });

  test.each([
    ['nothing', () => undefined],
    ['a response of Node', () => ({ status: 206, headers: new Headers(), body: { pipe: () => undefined } })],
  ])('that gives %s is refused', async (_title, give) => {
    const options = { fetch: () => Promise.resolve(give()) };
    const opening = openHttp(new URL('https://models.example/a'), { settings: kQuick, options });
    await expect(opening).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(/must give a Response/),
    });
  });

  test.each([
    ['https://huggingface.co/team/model', /the web page of a model; use hf:team\/model$/],
    ['https://huggingface.co/team/model/tree/main', /use hf:team\/model$/],
    [
      'https://huggingface.co/team/model/blob/main/m.gguf',
      /use https:\/\/huggingface\.co\/team\/model\/resolve\/main\/m\.gguf$/,
    ],
  ])('that brings the page %s says what to take instead', async (address, message) => {
    const fetch = () => Promise.resolve(new Response('<html>', { headers: { 'content-type': 'text/html' } }));
    await expect(openHttp(new URL(address), { settings: kQuick, options: { fetch } })).rejects.toThrow(message);
  });

  test('that fails says why', async () => {
    const options = { fetch: () => Promise.reject(new Error('the proxy is asleep')) };
    const opening = openHttp(new URL('https://models.example/a'), { settings: kQuick, options });
    await expect(opening).rejects.toThrow(/the proxy is asleep \(tried 3 times\)/);
  });
});

test.each([
  [null, 0],
  // What the headers of a caller's fetch may give.
  [undefined, 0],
  ['9'.repeat(400), Infinity],
  ['', 0],
  ['3', 3000],
  ['0.5', 500],
  ['-1', 0],
  ['soon', 0],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
  ['Thu, 01 Jan 1970 00:00:05 GMT', 0],
])('Retry-After %p at ten seconds past is %p ms', (text, delay) => {
  expect(retryDelay(text, 10_000)).toBe(delay);
});
