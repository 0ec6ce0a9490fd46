import { afterEach, describe, expect, test } from '@jest/globals';
import { startHub } from '../../support/hub.mjs';
import { HTTP_SETTINGS, openHttp, openRemote } from '../../support/internals.mjs';
import { answer, useServers } from '../support/server.mjs';

const servers = useServers();

const kQuick = { ...HTTP_SETTINGS, firstDelay: 1, longestDelay: 1 };
const kContents = Buffer.from(Uint8Array.from({ length: 500_000 }, (_, index) => (index * 2654435761) >>> 24));
const kSecrets = { authorization: 'Bearer s3cret', cookie: 'id=s3cret', 'X-Team': 's3cret' };

let hub;
afterEach(async () => {
  await hub?.close();
  hub = undefined;
});

/** A hub with one large file, and options to read it with. */
async function serveHub() {
  hub = await startHub({ 'team/model': { files: { 'model.gguf': kContents }, isPrivate: true } });
  return { hubUrl: hub.url, accessToken: 'hf_valid', headers: { 'x-team': 's3cret' } };
}

const open = (options) => openRemote('hf:team/model', { settings: kQuick, options });

async function expectBytes(source, begin, end) {
  const into = Buffer.alloc(end - begin);
  await source.read(into, begin);
  expect(into.equals(kContents.subarray(begin, end))).toBe(true);
}

/** Two servers: `/a` of the first leads to the second, which keeps the headers that it gets. */
async function redirecting(location = (url) => url, status = 302) {
  const seen = [];
  const second = await servers.serve((request, response) => {
    seen.push(request.headers);
    answer(request, response, kContents);
  });
  const asked = [];
  const first = await servers.serve((request, response) => {
    asked.push(request.headers);
    response.writeHead(status, { location: location(second.url('/b?signature=s1gned')) }).end();
  });
  return { first, second, seen, asked };
}

describe('headers and tokens', () => {
  test.each([301, 302, 303, 307, 308])(
    'are for the address that was given, and not for where %p leads to',
    async (status) => {
      const { first, seen, asked } = await redirecting(undefined, status);
      const source = await openHttp(new URL(first.url('/a')), { settings: kQuick, options: { headers: kSecrets } });
      await expectBytes(source, 100_000, 300_000);
      expect(asked[0]).toMatchObject({ authorization: 'Bearer s3cret', cookie: 'id=s3cret', 'x-team': 's3cret' });
      expect(seen.length).toBe(2);
      expect(JSON.stringify(seen)).not.toContain('s3cret');
    },
  );

  test('go with redirects to the same server, and to files beside the given one', async () => {
    const seen = [];
    const server = await servers.serve((request, response) => {
      seen.push(request.headers['x-team']);
      if (request.url === '/a') response.writeHead(307, { location: 'b' }).end();
      else answer(request, response, kContents);
    });
    const options = { headers: new Headers(kSecrets) };
    const source = await openHttp(new URL(server.url('/a')), { settings: kQuick, options });
    await source.sibling('c');
    expect(seen).toEqual(['s3cret', 's3cret', 's3cret']);
  });

  test('do not come back with a redirect that comes back', async () => {
    const seen = [];
    const first = await servers.serve((request, response) => {
      seen.push([request.url, request.headers['x-team']]);
      if (request.url === '/a') response.writeHead(302, { location: second.url('/b') }).end();
      else answer(request, response, kContents);
    });
    const second = await servers.serve((_request, response) => {
      response.writeHead(302, { location: first.url('/delete-all') }).end();
    });
    await openHttp(new URL(first.url('/a')), { settings: kQuick, options: { headers: kSecrets } });
    expect(seen).toEqual([
      ['/a', 's3cret'],
      ['/delete-all', undefined],
    ]);
  });

  test('of a hub reach nobody else, neither for lists nor for files', async () => {
    const options = await serveHub();
    await expectBytes(await open(options), 0, kContents.length);
    expect(hub.requests.map(({ headers }) => [headers.authorization, headers['x-team']])).toEqual(
      hub.requests.map(() => ['Bearer hf_valid', 's3cret']),
    );
    expect(hub.fetched.length).toBeGreaterThan(0);
    expect(JSON.stringify(hub.fetched)).not.toMatch(/hf_valid|s3cret/);
  });

  test('a token of a hub is for the hub alone', async () => {
    const seen = [];
    const server = await servers.serve((request, response) => {
      seen.push(request.headers);
      answer(request, response, kContents);
    });
    const { hubUrl, accessToken } = await serveHub();
    const options = { hubUrl, accessToken };
    await openRemote(new URL(server.url('/a')), { settings: kQuick, options });
    expect(seen[0]).not.toHaveProperty('authorization');
    const { requests } = hub;
    const source = await openRemote(new URL(`${hub.url}/team/model/resolve/main/model.gguf`), {
      settings: kQuick,
      options,
    });
    await expectBytes(source, 0, kContents.length);
    expect(requests.at(-1).headers.authorization).toBe('Bearer hf_valid');
  });

  test('an Authorization that is given wins over the token', async () => {
    const options = await serveHub();
    await open({ ...options, accessToken: 'hf_wrong', headers: { Authorization: 'Bearer hf_valid' } });
    expect(hub.requests[0].headers.authorization).toBe('Bearer hf_valid');
  });
});

describe('refused is a redirect', () => {
  const refusal = async (location, options = {}) => {
    const { first } = await redirecting(location);
    const opening = openHttp(new URL(first.url('/a')), { settings: kQuick, ...options });
    await expect(opening).rejects.toMatchObject({ code: 'unreadable_input', file: first.url('/a') });
    return opening.catch(({ message }) => message);
  };

  test('that never ends', async () => {
    const server = await servers.serve((_request, response) => response.writeHead(302, { location: '/a' }).end());
    await expect(openHttp(new URL(server.url('/a')), { settings: kQuick })).rejects.toThrow(
      /redirects again and again/,
    );
    expect(server.requests.length).toBe(11);
  });

  test.each([
    ['to no place', () => '', /does not say to where|again and again/],
    ['to what is no address', () => 'http://', /does not say to where/],
    ['to a file', () => 'file:///etc/passwd', /redirects to file:\/\/\/etc\/passwd, which cannot be fetched/],
    ['with a password', (url) => url.replace('//', '//me:hunter2@'), /which cannot be fetched/],
  ])('%s', async (_title, location, message) => {
    const said = await refusal(location);
    expect(said).toMatch(message);
    expect(said).not.toMatch(/hunter2|s1gned/);
  });

  test('from https to http', async () => {
    const fetch = (url) =>
      Promise.resolve(new Response(null, { status: 302, headers: { location: url.replace('https:', 'http:') } }));
    const opening = openHttp(new URL('https://models.example/a'), { settings: kQuick, options: { fetch } });
    await expect(opening).rejects.toThrow(/redirects from https to http/);
  });
});

describe('a fetch that shows no redirects, as that of browsers', () => {
  /** What browsers do: a redirect that is to be followed by hand shows nothing. */
  const browserFetch = (asked) => async (url, init) => {
    asked.push({ url, ...init });
    const response = await fetch(url, init);
    if (init.redirect !== 'manual' || response.status !== 302) return response;
    return { ...{ status: 0, statusText: '', type: 'opaqueredirect', url, body: null }, headers: new Headers() };
  };

  test.each([[{}], [{ Authorization: 'Bearer s3cret' }]])('follows them itself with %p', async (headers) => {
    const { first, seen } = await redirecting();
    const asked = [];
    const options = { headers, fetch: browserFetch(asked) };
    const source = await openHttp(new URL(first.url('/a')), { settings: kQuick, options, followsItself: false });
    await expectBytes(source, 100_000, 300_000);
    expect(asked.map(({ redirect }) => redirect)).toEqual(['follow', 'follow']);
    // The first answer tells where it came from.
    expect(asked[1].url).toMatch(/\/b\?signature=s1gned$/);
    expect(JSON.stringify(seen)).not.toContain('s3cret');
  });

  test('is not made to hand on other headers', async () => {
    const { first, seen } = await redirecting();
    const asked = [];
    const options = { headers: kSecrets, fetch: browserFetch(asked) };
    for (const followsItself of [true, false]) {
      const opening = openHttp(new URL(first.url('/a')), { settings: kQuick, options, followsItself });
      await expect(opening).rejects.toThrow(/browsers would send cookie, x-team there, too; leave that out/);
    }
    expect(seen).toEqual([]);
    expect(asked.every(({ redirect }) => redirect === 'manual')).toBe(true);
  });

  test('may forget the range on its way, as that of WebKit does', async () => {
    const { first, second } = await redirecting();
    const whole = await servers.serve((request, response) => {
      if (request.headers.range !== undefined) answer(request, response, kContents);
      else response.writeHead(200, { 'content-length': kContents.length }).end(kContents);
    });
    const forgetful = async (url, init) => {
      if (url !== first.url('/a')) return fetch(url, init);
      return fetch(whole.url('/b'), { ...init, headers: {} });
    };
    const options = { fetch: forgetful };
    const source = await openHttp(new URL(first.url('/a')), { settings: kQuick, options, followsItself: false });
    await expectBytes(source, 0, kContents.length);
    expect(second.requests).toEqual([]);
  });

  test('but that of Cloudflare Workers shows where they lead to, and hands nothing on', async () => {
    const { first, seen } = await redirecting();
    const options = { headers: kSecrets };
    const source = await openHttp(new URL(first.url('/a')), { settings: kQuick, options, followsItself: false });
    await expectBytes(source, 100_000, 300_000);
    expect(seen.length).toBe(2);
    expect(JSON.stringify(seen)).not.toContain('s3cret');
  });

  test('is found out where it was not expected', async () => {
    const { first, seen } = await redirecting();
    const options = { fetch: browserFetch([]) };
    await expectBytes(await openHttp(new URL(first.url('/a')), { settings: kQuick, options }), 0, 1000);
    expect(seen.length).toBe(1);
  });
});

describe('who is redirected to another server that wants a login', () => {
  const refusing = async (status) => {
    const second = await servers.serve((_request, response) => response.writeHead(status).end());
    const first = await servers.serve((_request, response) =>
      response.writeHead(302, { location: second.url('/b?signature=s1gned') }).end(),
    );
    return { first, origin: second.url('') };
  };

  test.each([401, 403])('is told who got no headers, after %p', async (status) => {
    const { first, origin } = await refusing(status);
    const opening = openHttp(new URL(first.url('/a')), { settings: kQuick, options: { headers: kSecrets } });
    const advice = `the server redirects to ${origin}, which gets no headers and no token: give that address if it is meant`;
    await expect(opening).rejects.toThrow(advice);
    await expect(opening).rejects.not.toThrow(/--header|not enough|s1gned/);
  });

  test('by a hub that has moved is told so, too', async () => {
    await serveHub();
    const old = await servers.serve((request, response) =>
      response.writeHead(307, { location: hub.url + request.url }).end(),
    );
    const opening = open({ hubUrl: old.url(''), accessToken: 'hf_valid' });
    await expect(opening).rejects.toThrow(`the server redirects to ${hub.url}, which gets no headers and no token`);
    await expect(opening).rejects.not.toThrow(/the access token is wrong/);
  });
});

describe('a signed address', () => {
  test('is used again as long as it is valid', async () => {
    const source = await open(await serveHub());
    for (const begin of [100_000, 200_000, 300_000]) await expectBytes(source, begin, begin + 100_000);
    expect(hub.requests.filter(({ path }) => path.includes('/resolve/')).length).toBe(1);
    expect(hub.fetched.length).toBe(4);
  });

  test('that has expired is asked for anew', async () => {
    const source = await open(await serveHub());
    hub.expire();
    await expectBytes(source, 100_000, 300_000);
    expect(hub.requests.filter(({ path }) => path.includes('/resolve/')).length).toBe(2);
    expect(hub.fetched.map(({ path }) => path.replace(/.*=/, ''))).toEqual(['0-1', '0-1', '1-2']);
  });

  test('that has expired from the beginning is an error at once', async () => {
    const options = await serveHub();
    hub.before.files = (_request, response) => response.writeHead(403).end();
    const opening = open(options);
    await expect(opening).rejects.toThrow(/the server answers 403/);
    await expect(opening).rejects.not.toThrow(/token|hf_/);
    expect(hub.fetched.length).toBe(1);
  });

  test('that no longer answers is asked for anew', async () => {
    const source = await open(await serveHub());
    hub.before.files = (_request, response, count) => count < 4 && response.destroy();
    await expectBytes(source, 100_000, 300_000);
    expect(hub.requests.filter(({ path }) => path.includes('/resolve/')).length).toBeGreaterThan(1);
  });

  test('leads to the rest of what a connection broke off', async () => {
    const source = await open(await serveHub());
    hub.before.files = (request, response) => {
      const [, begin] = /bytes=(\d+)/.exec(request.headers.range);
      if (begin !== '100000') return false;
      response.writeHead(206, { 'content-range': `bytes 100000-299999/${kContents.length}` });
      response.write(kContents.subarray(100_000, 200_000), () => response.destroy());
      return true;
    };
    await expectBytes(source, 100_000, 300_000);
    expect(hub.fetched.at(-1).headers.range).not.toContain('=100000');
  });

  test('of another version is no part of the file', async () => {
    const options = await serveHub();
    const source = await openRemote(new URL(`${hub.url}/team/model/resolve/main/model.gguf`), {
      settings: kQuick,
      options,
    });
    hub.models['team/model'].files = { 'model.gguf': Buffer.from(kContents).fill(7) };
    hub.expire();
    await expect(source.read(new Uint8Array(100_000), 100_000)).rejects.toThrow(/changed while it was read/);
  });
});
