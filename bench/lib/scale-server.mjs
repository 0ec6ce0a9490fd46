/**
 * `node scale-server.mjs FILE` serves a file by ranges, after the time that an object store takes to answer, and prints its address. When its
 * input ends it prints as JSON how many requests were open at once, and how long they were.
 */
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

/** Without a pause, a client would have few requests open at once. */
const ANSWER_MILLISECONDS = 30;

const file = await open(process.argv[2]);
const { size } = await file.stat();
const lengths = [];
let atOnce = 0;
let mostAtOnce = 0;

async function answer(request, response) {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range).map(Number);
  const end = Math.min(last + 1, size);
  mostAtOnce = Math.max(mostAtOnce, ++atOnce);
  response.on('close', () => --atOnce);
  lengths.push(end - first);
  const piece = Buffer.allocUnsafe(end - first);
  await Promise.all([file.read(piece, 0, piece.length, first), wait(ANSWER_MILLISECONDS)]);
  const range = { 'content-range': `bytes ${first}-${end - 1}/${size}`, 'content-length': piece.length };
  response.writeHead(206, { ...range, etag: '"model"' }).end(piece);
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`http://127.0.0.1:${server.address().port}/model.safetensors`);
process.stdin.resume();
await once(process.stdin, 'end');
console.log(JSON.stringify({ atOnce: mostAtOnce, bytes: lengths.sort((a, b) => a - b)[lengths.length >> 1] ?? 0 }));
server.closeAllConnections();
server.close();
await file.close();
