import { within } from './time-limit.mjs';

/** Below what browsers and proxies cut off. */
const kLongestPoll = 20_000;

/**
 * How tests tell pages what to do: a page asks its server for a command, carries it out, and asks for the next one while
 * handing in the result. No automation protocol is involved, so that it works in browsers that run without one.
 */
export class Channels {
  #channels = new Map();

  /** The channel called `id`; pages use it with POST requests to `/<site>/channel/<id>`. */
  channel(id) {
    if (!this.#channels.has(id)) this.#channels.set(id, new Channel(id));
    return this.#channels.get(id);
  }

  async answer(id, request, response, headers) {
    const text = await readText(request);
    const command = await this.channel(id).exchange(text === '' ? null : JSON.parse(text), response);
    response.writeHead(200, { ...headers, 'Content-Type': 'application/json' }).end(JSON.stringify(command));
  }

  close() {
    for (const channel of this.#channels.values()) channel.close();
  }
}

class Channel {
  #id;
  #count = 0;
  /** Commands that no page has asked for yet. */
  #commands = [];
  /** Resolve functions of commands that are under way, by number. */
  #pending = new Map();
  /** Ends the request of the page that waits for a command. */
  #wake = null;

  constructor(id) {
    this.#id = id;
  }

  /** Has the page carry out `command`; resolves to its result, or rejects with what the page threw. */
  async run(command, milliseconds) {
    const number = ++this.#count;
    const result = new Promise((resolve, reject) => this.#pending.set(number, { resolve, reject }));
    this.#commands.push({ number, ...command });
    this.#wake?.();
    const what = `${this.#id}: no answer to ${JSON.stringify(command).slice(0, 200)}`;
    try {
      return await within(milliseconds, what, result);
    } finally {
      this.#pending.delete(number);
      this.#commands = this.#commands.filter((one) => one.number !== number);
    }
  }

  /** Takes a page's result, if it has one, and resolves to the next command for it, or null when it shall ask again. */
  async exchange(result, response) {
    if (result !== null) this.#settle(result);
    if (this.#commands.length === 0) await this.#nextCommand(response);
    if (response.destroyed) return null;
    const command = this.#commands.shift() ?? null;
    // The page is gone when it has carried this out, and cannot answer.
    if (command?.open !== undefined) this.#settle({ number: command.number, value: null });
    return command;
  }

  close() {
    this.#commands = [];
    this.#wake?.();
  }

  #settle({ number, value, error }) {
    const { resolve, reject } = this.#pending.get(number) ?? {};
    if (error === undefined) resolve?.(value);
    else reject?.(new Error(`${this.#id}: ${error}`));
  }

  #nextCommand(response) {
    this.#wake?.();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        response.off('close', wake);
        if (this.#wake === wake) this.#wake = null;
        resolve();
      };
      const timer = setTimeout(wake, kLongestPoll);
      response.on('close', wake);
      this.#wake = wake;
    });
  }
}

async function readText(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}
