import { WritableStream } from 'node:stream/web';

/** A stream that keeps what it is given; each chunk waits for `gate`. */
export function collector(gate = () => undefined) {
  const seen = { chunks: [], closed: false, aborted: null };
  const stream = new WritableStream({
    async write(chunk) {
      await gate();
      seen.chunks.push(chunk);
    },
    close() {
      seen.closed = true;
    },
    abort(reason) {
      seen.aborted = reason;
    },
  });
  return { stream, seen, bytes: () => Buffer.concat(seen.chunks) };
}

/** Lets everything happen that can happen without us. */
export const idle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** Whether a promise still waits when nothing more happens without us. */
export const isPending = (promise) => Promise.race([promise.then(() => false), idle().then(() => true)]);
