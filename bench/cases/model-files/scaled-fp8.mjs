import { createServer } from 'node:http';
import { WritableStream } from 'node:stream/web';
import { measure } from '../../lib/measure.mjs';
import { scaledFp8Model } from '../../lib/models.mjs';
import { besideBefore, withQuantizers } from '../../lib/packages.mjs';

const TENSORS = 100;
const TENSOR_BYTES = 2 ** 20;
const LATENCY_MILLISECONDS = 50;
const MOST_ROUNDS = 3;

/** Serves bytes, ranges of them too, each answer as late as a far server's. */
async function serveSlowly(bytes) {
  const server = createServer(({ method, headers }, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    const begin = Number(first ?? 0);
    const end = last ? Math.min(Number(last) + 1, bytes.length) : bytes.length;
    const status = first === undefined ? 200 : 206;
    const fields = { 'Accept-Ranges': 'bytes', 'Content-Length': end - begin, ETag: '"1"' };
    if (status === 206) fields['Content-Range'] = `bytes ${begin}-${end - 1}/${bytes.length}`;
    setTimeout(() => {
      response.writeHead(status, fields).end(method === 'HEAD' ? undefined : bytes.subarray(begin, end));
    }, LATENCY_MILLISECONDS);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}/model.safetensors`, close };
}

/** Milliseconds until the first tensor is done; the rest is called off. */
async function untilFirstTensor(quantizer, url) {
  const controller = new AbortController();
  const start = performance.now();
  let time = 0;
  const onTensor = () => {
    if (time === 0) time = performance.now() - start;
    controller.abort();
  };
  const options = { type: 'Q8_0', metrics: false, onTensor, signal: controller.signal };
  await quantizer.quantizeFile(url, new WritableStream(), options).catch((error) => {
    if (error.code !== 'aborted') throw error;
  });
  return time;
}

/** A model of scaled fp8 on a far server: all scales are needed before the first tensor is. */
export async function scaledFp8({ rounds, against }) {
  const server = await serveSlowly(scaledFp8Model(TENSORS, TENSOR_BYTES));
  try {
    return await withQuantizers(against, async (quantizers) => {
      const cases = quantizers.map(({ label, quantizer }) => ({
        name: `${label}until the first tensor is done`,
        bytes: 0,
        run: () => untilFirstTensor(quantizer, server.url),
      }));
      return {
        id: 'fp8',
        title: `${TENSORS} tensors of scaled fp8 from a server that answers after ${LATENCY_MILLISECONDS} ms`,
        reference: 'before',
        results: besideBefore(await measure(cases, Math.min(rounds, MOST_ROUNDS))),
      };
    });
  } finally {
    await server.close();
  }
}
