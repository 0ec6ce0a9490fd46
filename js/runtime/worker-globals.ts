/** Makes a worker of Node look like one of a browser to the glue, and to `worker-browser.ts`. Imported before them. */

import { parentPort, workerData } from 'node:worker_threads';

const port = parentPort;
if (port === null) throw new Error('This is a script for workers.');
const post = (
  message: unknown,
  transfer?: readonly Transferable[] | { readonly transfer?: readonly Transferable[] },
): void => {
  const list = transfer !== undefined && 'transfer' in transfer ? transfer.transfer : transfer;
  port.postMessage(message, Array.isArray(list) ? list : []);
};
const globals: Readonly<Record<string, unknown>> = {
  self: globalThis,
  name: workerData,
  importScripts: () => undefined,
  postMessage: post,
};
for (const [name, value] of Object.entries(globals)) {
  // Deno has some of them, that only read.
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
}

let listener: ((event: { readonly data: unknown }) => void) | null = null;
// Bun 1.3 looks for it, and calls what it finds, besides telling the port's listeners: it finds nothing.
Object.defineProperty(globalThis, 'onmessage', {
  get: () => null,
  set: (given: typeof listener) => {
    listener = given;
  },
  configurable: true,
});
port.on('message', (data: unknown) => {
  listener?.({ data });
});
