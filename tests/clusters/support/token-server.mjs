import { once } from 'node:events';
import { createServer } from 'node:http';
import { answer } from '../../js/runtime/support/server.mjs';

/** Serves one file by ranges to those who have the token. */
export async function serveWithToken(contents, token) {
  const server = createServer((request, response) => {
    if (request.headers.authorization === `Bearer ${token}`) answer(request, response, contents);
    else response.writeHead(401).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/model.gguf`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
