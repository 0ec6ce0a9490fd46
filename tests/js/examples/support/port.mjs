import { MessageChannel } from 'node:worker_threads';

/** The page's end of a channel to a service: what came is kept and told to `listener`, and can be waited for. */
export function openClient(listener = () => undefined) {
  const { port1, port2 } = new MessageChannel();
  const received = [];
  const waiting = new Set();
  const look = () => {
    for (const check of [...waiting]) check();
  };
  let isClosed = false;
  port1.on('message', (message) => {
    received.push(message);
    listener(message);
    look();
  });
  port1.on('close', () => {
    isClosed = true;
    look();
  });
  return {
    /** For the service. */
    port: port2,
    received,
    send: (message) => port1.postMessage(message),
    close: () => port1.close(),
    of: (job, type) => received.filter((message) => message.job === job && message.type === type),
    /** Resolves to the first message, past or to come, that fits. */
    next: (fits) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = received.find(fits);
          if (found === undefined && !isClosed) return;
          waiting.delete(check);
          if (found === undefined) reject(new Error(`The port closed after ${JSON.stringify(received)}`));
          else resolve(found);
        };
        waiting.add(check);
        check();
      }),
    outcome(job) {
      return this.next((message) => message.job === job && ['done', 'failed'].includes(message.type));
    },
  };
}
