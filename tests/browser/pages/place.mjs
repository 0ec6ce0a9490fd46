/**
 * Carries out what a test asks for over its channel, on the page itself or in a module Worker:
 * `place.html?channel=<id>&scope=page|worker&package=<address>`.
 */
import { createPlace, explain } from './agent.mjs';

const query = new URL(location.href).searchParams;
const channel = new URL(`/${location.pathname.split('/')[1]}/channel/${query.get('channel')}`, location.href);
const entry = new URL(query.get('package') ?? '../../../dist/browser.js', location.href).href;

async function main() {
  const run = query.get('scope') === 'worker' ? runInWorker() : createPlace(entry);
  for (let report = null; ;) {
    const response = await fetch(channel, { method: 'POST', body: report === null ? '' : JSON.stringify(report) });
    const command = await response.json();
    report = command === null ? null : await carryOut(command, run);
  }
}

async function carryOut({ number, open, ...command }, run) {
  if (open !== undefined) {
    location.href = open;
    // Asking for more would take commands from the page that is opened.
    return new Promise(() => undefined);
  }
  try {
    return { number, value: await run(command) };
  } catch (error) {
    return { number, error: explain(error) };
  }
}

/** The same agent in a Worker; commands and results travel as messages. */
function runInWorker() {
  const worker = new Worker(new URL('place-worker.mjs', import.meta.url), { type: 'module' });
  let failed;
  const failure = new Promise((_, reject) => (failed = reject));
  worker.onerror = (event) => failed(new Error(`the Worker did not load: ${event.message}`));
  return (command) => {
    const answer = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.error === undefined ? resolve(data.value) : reject(new Error(data.error)));
    });
    worker.postMessage({ entry, command });
    return Promise.race([answer, failure]);
  };
}

await main();
