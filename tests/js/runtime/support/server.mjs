import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { afterEach } from '@jest/globals';

/**
 * Servers of 127.0.0.1 that live as long as a test. `serve(handle)` starts one; `handle(request, response, attempt)` gets
 * the number of the request, from 1. What it resolves to has `url(path)` and `requests`, with method, url and range.
 */
export function useServers() {
  const servers = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
  return {
    async serve(handle) {
      const requests = [];
      const server = createServer((request, response) => {
        requests.push({ url: request.url, range: request.headers.range });
        handle(request, response, requests.length);
      });
      servers.push(server);
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      return { url: (path) => `http://127.0.0.1:${server.address().port}${path}`, requests };
    },
  };
}

/** First byte, and the one after the last, of what a request asks for. */
export function rangeOf(request, size) {
  const [, begin, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range);
  return [Number(begin), Math.min(size, Number(end) + 1)];
}

/** Answers as a server should; `headers` are added. */
export function answer(request, response, contents, headers = {}) {
  const [begin, end] = rangeOf(request, contents.length);
  if (begin >= contents.length) {
    response.writeHead(416, { 'content-range': `bytes */${contents.length}`, ...headers }).end();
    return;
  }
  response.writeHead(206, {
    'content-range': `bytes ${begin}-${end - 1}/${contents.length}`,
    'content-length': end - begin,
    etag: '"one"',
    ...headers,
  });
  response.end(contents.subarray(begin, end));
}

/** Answers with the files of a folder, whose names it decodes once, as servers do. */
export function answerFrom(folder, request, response, headers = {}) {
  try {
    const { pathname } = new URL(request.url, 'http://localhost');
    answer(request, response, readFileSync(path.join(folder, decodeURIComponent(pathname))), headers);
  } catch (error) {
    response.writeHead(error instanceof URIError ? 400 : 404).end();
  }
}
