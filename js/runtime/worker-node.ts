/** What a worker of the backend `workers` runs in Node. */

import { parentPort } from 'node:worker_threads';
import createModule from '../wasm/arrowquant-single.node.mjs';
import type { Order } from '../workers/messages.js';
import { serve } from '../workers/serve.js';

const port = parentPort;
if (port !== null) {
  const take = serve(createModule, (reply, transfer) => {
    port.postMessage(reply, [...transfer]);
  });
  port.on('message', (order: Order) => {
    take(order);
  });
}
