/** What a worker of the backend `workers` runs. Import maps do not reach it: its imports are relative. */

import createModule from '../wasm/arrowquant-single.js';
import { THREAD_NAME, type Order, type Reply } from '../workers/messages.js';
import { serve } from '../workers/serve.js';

// One script may have to serve both kinds: the glue then has begun already.
if (self.name !== THREAD_NAME) {
  const take = serve(createModule, (reply: Reply, transfer) => {
    self.postMessage(reply, { transfer: [...transfer] });
  });
  self.onmessage = ({ data }: MessageEvent<Order>) => {
    take(data);
  };
}
