/**
 * What a worker of the backend `workers` runs. The build makes one file of it and the glue, `wasm/arrowquant-single.js`, which
 * pages load as the glue, and workers as their script.
 */

import createModule from '../wasm/arrowquant-single.js';
import { WORKER_NAME, type Order, type Reply } from '../workers/messages.js';
import { serve } from '../workers/serve.js';

if (typeof self !== 'undefined' && self.name === WORKER_NAME && typeof document === 'undefined') {
  const take = serve(createModule, (reply: Reply, transfer) => {
    self.postMessage(reply, { transfer: [...transfer] });
  });
  self.onmessage = ({ data }: MessageEvent<Order>) => {
    take(data);
  };
}

export default createModule;
