/** What a worker of the backend `workers` runs in a browser. Import maps do not reach it: its imports are relative. */

import createModule from '../wasm/arrowquant-single.web.mjs';
import type { Order, Reply } from '../workers/messages.js';
import { serve } from '../workers/serve.js';

const take = serve(createModule, (reply: Reply, transfer) => {
  self.postMessage(reply, { transfer: [...transfer] });
});
self.onmessage = ({ data }: MessageEvent<Order>) => {
  take(data);
};
