import { createServer } from 'node:http';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { openClient } from '../../js/examples/support/port.mjs';

/**
 * The example's page in a browser, with Node in the place of Electron's main process: the page comes from the example's
 * own protocol (over HTTP), runs the example's own preload script, and its port leads to the example's own utility process
 * (in a worker thread). Only the dialogs are not there: `choices` says what they answer.
 */
export async function openElectronWindow(context, example, choices) {
  const { respond } = await example.import('app-protocol.mjs');
  const server = await serve(respond);
  const page = await context.newPage();
  const main = new MainProcess(page, example, choices);
  await page.exposeFunction('toMain', (channel, value) => main.receive(channel, value));
  await page.exposeFunction('toService', (message) => main.client.send(message));
  await page.addInitScript(preloadIn(readFileSync(example.path('preload.cjs'), 'utf8')));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  return {
    page,
    main,
    choices,
    async close() {
      await main.stop();
      await page.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serve(respond) {
  const server = createServer(async ({ method, url }, response) => {
    const answer = await respond({ method, url: new URL(url, 'http://127.0.0.1').href });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** Does for the page what main.mjs does. */
class MainProcess {
  shown = [];
  client = null;
  worker = null;
  #page;
  #example;
  #choices;
  /** Messages for the page, and the promise of those on their way. */
  #queue = [];
  #delivery = null;

  constructor(page, example, choices) {
    this.#page = page;
    this.#example = example;
    this.#choices = choices;
  }

  receive(channel, value) {
    if (channel === 'choose-input') return this.#chosenInput();
    if (channel === 'choose-output') return this.#choices.output(value);
    if (channel === 'show-in-folder') return this.shown.push(value);
    return this.#connect();
  }

  #chosenInput() {
    const { input } = this.#choices;
    return input === null ? null : { path: input, name: path.basename(input), bytes: statSync(input).size };
  }

  async #connect() {
    if (this.worker === null) {
      const worker = new Worker(this.#example.url('quantize.mjs'));
      worker.on('exit', () => {
        this.worker = null;
        this.#deliver({ channel: 'process-gone' });
      });
      this.worker = worker;
    }
    this.client = openClient((message) => this.#deliver({ message }));
    this.#deliver({ channel: 'port' });
    this.worker.postMessage({ type: 'serve', port: this.client.port }, [this.client.port]);
  }

  /** Brings something to the page, after all that came before. */
  #deliver(what) {
    this.#queue.push(what);
    this.#delivery ??= this.#deliverAll().finally(() => (this.#delivery = null));
  }

  async #deliverAll() {
    while (this.#queue.length > 0) {
      await this.#page.evaluate((all) => all.forEach((one) => window.fromMain(one)), this.#queue.splice(0));
    }
  }

  async stop() {
    await this.worker?.terminate();
    await this.#delivery;
  }
}

/** A script that runs `preload` with as much of Electron as it uses, over the functions that lead to Node. */
function preloadIn(preload) {
  const electron = () => {
    const listeners = new Map();
    let servicePort = null;
    window.fromMain = ({ channel, message }) => {
      if (channel === undefined) return servicePort.postMessage(message);
      const { port1, port2 } = new MessageChannel();
      if (channel === 'port') {
        port1.onmessage = ({ data }) => window.toService(data);
        servicePort = port1;
      }
      listeners.get(channel)({ ports: [port2] });
    };
    return {
      contextBridge: { exposeInMainWorld: (name, value) => (window[name] = value) },
      ipcRenderer: {
        invoke: (channel, value) => window.toMain(channel, value),
        send: (channel, value) => void window.toMain(channel, value),
        on: (channel, listener) => listeners.set(channel, listener),
      },
    };
  };
  return `{ const electron = (${electron})(); ((require) => {\n${preload}\n})(() => electron); }`;
}
