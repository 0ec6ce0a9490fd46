/**
 * A hub of models and the servers that its files come from, on two ports of this machine: what
 * https://huggingface.co answers to the questions that are asked of it, headers included.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

/** Files of at least so many bytes are large ones: they come from elsewhere. */
const kLargeBytes = 1024;
/** Entries of a list that come at once. */
const kPage = 3;

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** The commit that a model with these files is at. */
export const commitOf = (files) =>
  hashOf(JSON.stringify(Object.entries(files).map(([name, bytes]) => [name, hashOf(bytes)]))).slice(0, 40);

const kCors = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'ETag, Link, Content-Range, X-Error-Code, X-Repo-Commit, X-Linked-ETag, X-Linked-Size',
};

/**
 * Starts a hub. `models` by name: `{ files, revisions, gated, isPrivate, isDisabled }`, files being bytes by path and revisions files by
 * name; `files` are those of `main`.
 *
 * `port` is taken when it is free. What it resolves to: `url`; `requests` of the hub and `fetched` of where large files are, each with method, path and headers;
 * `models`, which may be changed; `tokens` that are valid, and those of who has accepted the terms of gated models; `expire()`
 * makes all signed addresses invalid that were given; `before.hub` and `before.files`, which may answer a request themselves and
 * return true; `close()`.
 */
export async function startHub(models, { port = 0 } = {}) {
  const hub = {
    ...{
      models,
      requests: [],
      fetched: [],
      before: {},
      tokens: ['hf_valid', 'hf_accepted'],
      accepted: ['hf_accepted'],
    },
    ...{ generation: 0, signatures: 0 },
  };
  const site = await listen((request, response) => {
    hub.requests.push(seen(request));
    if (request.method === 'OPTIONS') return preflight(response);
    if (hub.before.hub?.(request, response, hub.requests.length)) return;
    answerHub(hub, request, response);
  }, port);
  const files = await listen((request, response) => {
    hub.fetched.push(seen(request));
    if (request.method === 'OPTIONS') return preflight(response);
    if (hub.before.files?.(request, response, hub.fetched.length)) return;
    answerFile(hub, request, response);
  });
  return Object.assign(hub, {
    ...{ url: site.url, filesUrl: files.url },
    expire: () => ++hub.generation,
    close: async () => {
      await site.close();
      await files.close();
    },
  });
}

const seen = ({ method, url, headers }) => ({ method, path: decodeURIComponent(url), headers });

async function listen(handle, port = 0) {
  const server = createServer(handle);
  await new Promise((resolve) => {
    server.once('error', () => server.listen(0, '127.0.0.1', resolve));
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const preflight = (response) =>
  response.writeHead(204, { ...kCors, 'access-control-allow-headers': 'authorization, range, x-team' }).end();

function answerHub(hub, request, response) {
  const { pathname, searchParams } = new URL(request.url, hub.url);
  const match =
    /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(pathname) ??
    /^\/([^/]+\/[^/]+)\/(resolve)\/([^/]+)\/(.+)$/.exec(pathname);
  const [, name, verb, revision, file] = (match ?? []).map((part) => part && decodeURIComponent(part));
  const model = hub.models[name];
  const token = request.headers.authorization?.replace(/^Bearer /, '');
  if (token !== undefined && !hub.tokens.includes(token)) return refuse(response, 401, null, 'Invalid credentials');
  if (model === undefined || (model.isPrivate && token === undefined)) {
    return refuse(response, token === undefined ? 401 : 404, 'RepoNotFound', 'Repository not found');
  }
  const versions = { main: model.files, ...model.revisions };
  const known = Object.entries(versions).find(([one, files]) => [one, commitOf(files)].includes(revision));
  if (known === undefined) return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
  const files = known[1];
  if (model.isDisabled) return refuse(response, 403, 'DisabledRepo', 'Access to this resource is disabled.');
  if (verb === 'revision') return send(response, { id: name, sha: commitOf(files), private: model.isPrivate ?? false });
  if (verb === 'tree') return sendList(hub, response, files, pathname, Number(searchParams.get('cursor') ?? 0));
  if (model.gated && !hub.accepted.includes(token)) {
    return refuse(response, token === undefined ? 401 : 403, 'GatedRepo', `Access to model ${name} is restricted.`);
  }
  if (files[file] === undefined) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
  return sendFile(hub, request, response, { bytes: files[file], commit: commitOf(files) });
}

const send = (response, value, headers = {}) =>
  response.writeHead(200, { 'content-type': 'application/json', ...kCors, ...headers }).end(JSON.stringify(value));

function refuse(response, status, code, text) {
  response.writeHead(status, {
    ...{ 'content-type': 'application/json', 'x-error-message': text, ...kCors },
    ...(code !== null && { 'x-error-code': code }),
  });
  response.end(JSON.stringify({ error: text }));
}

/** A part of the list of files, folders included, and where the next one is. */
function sendList(hub, response, files, pathname, cursor) {
  const folders = Object.keys(files).flatMap((file) =>
    file
      .split('/')
      .slice(0, -1)
      .map((_, at, parts) => parts.slice(0, at + 1).join('/')),
  );
  const entries = [
    ...[...new Set(folders)].map((path) => ({ type: 'directory', oid: '0', size: 0, path })),
    ...Object.entries(files).map(([path, bytes]) => ({
      type: 'file',
      oid: hashOf(bytes).slice(0, 40),
      size: bytes.length,
      path,
    })),
  ];
  const next = `<${hub.url}${pathname}?recursive=true&cursor=${cursor + kPage}>; rel="next"`;
  send(response, entries.slice(cursor, cursor + kPage), cursor + kPage < entries.length ? { link: next } : {});
}

function sendFile(hub, request, response, { bytes, commit }) {
  const own = { 'x-repo-commit': commit, ...kCors };
  const tag = `"${hashOf(bytes)}"`;
  if (bytes.length < kLargeBytes) return sendPart(request, response, bytes, { ...own, etag: tag });
  const location = `${hub.filesUrl}/objects/${hashOf(bytes)}?signature=${hub.generation}-${++hub.signatures}`;
  response.writeHead(302, { location, 'x-linked-etag': tag, 'x-linked-size': bytes.length, ...own }).end();
}

function answerFile(hub, request, response) {
  const { pathname, searchParams } = new URL(request.url, hub.filesUrl);
  const [generation] = (searchParams.get('signature') ?? '').split('-');
  const all = Object.values(hub.models).flatMap(({ files, revisions = {} }) => [files, ...Object.values(revisions)]);
  const bytes = all.flatMap((files) => Object.values(files)).find((one) => pathname === `/objects/${hashOf(one)}`);
  if (generation !== String(hub.generation)) return response.writeHead(403, kCors).end('Request has expired');
  if (bytes === undefined) return response.writeHead(404, kCors).end();
  // Its own tag is of another kind, as on the servers of the hub.
  sendPart(request, response, bytes, { etag: `"${hashOf(bytes).slice(0, 32)}-1"`, ...kCors });
}

function sendPart(request, response, bytes, headers) {
  if (request.headers.range === undefined) {
    response.writeHead(200, { 'content-length': bytes.length, ...headers }).end(bytes);
    return;
  }
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  const [begin, end] = [Number(from), Math.min(bytes.length, Number(to) + 1)];
  if (begin >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}`, ...headers }).end();
    return;
  }
  response.writeHead(206, {
    ...{ 'content-range': `bytes ${begin}-${end - 1}/${bytes.length}`, 'content-length': end - begin },
    ...headers,
  });
  response.end(bytes.subarray(begin, end));
}
