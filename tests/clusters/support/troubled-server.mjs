import { once } from 'node:events';
import { createServer } from 'node:http';
import { answer, rangeOf } from '../../js/runtime/support/server.mjs';

/**
 * Serves one file by ranges, and makes trouble twice: the first answer with the byte at `cutAt` in it ends in its middle, and
 * the first with the byte at `holdAt` stops in its middle, until the one who asked is gone. `trouble` counts, and
 * has the port that held bytes were asked for from.
 */
export async function serveWithTrouble(contents, { cutAt, holdAt }) {
  const trouble = { cuts: 0, holds: 0, port: null };
  const server = createServer((request, response) => {
    if (request.headers.range === undefined) return answerWhole(response, contents);
    const [begin, end] = rangeOf(request, contents.length);
    const has = (position) => position >= begin && position < end;
    if (trouble.cuts === 0 && has(cutAt)) {
      trouble.cuts += 1;
      sendHalf(response, contents, begin, end, () => response.destroy());
    } else if (trouble.holds === 0 && has(holdAt)) {
      trouble.holds += 1;
      sendHalf(response, contents, begin, end, () => {
        trouble.port = request.socket.remotePort;
      });
    } else {
      answer(request, response, contents);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/model.gguf`,
    trouble,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerWhole(response, contents) {
  response.writeHead(200, { 'content-length': contents.length, 'accept-ranges': 'bytes', etag: '"one"' });
  response.end(contents);
}

function sendHalf(response, contents, begin, end, then) {
  const headers = { 'content-range': `bytes ${begin}-${end - 1}/${contents.length}`, 'content-length': end - begin };
  response.writeHead(206, { ...headers, etag: '"one"' });
  response.write(contents.subarray(begin, begin + Math.floor((end - begin) / 2)), then);
}
