import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { kCallLimit, programOf, started } from './browsers.mjs';
import { firefoxPrefs } from './places.mjs';
import { within } from './time-limit.mjs';

/**
 * Firefox by way of Marionette, which is what geckodriver talks to. Over BiDi, Workers that a Worker starts hang now and
 * then; under Marionette they have not been seen to. `send` takes the name of a command and resolves to its `value`.
 *
 * @param {string} downloads folder for what pages download
 */
export async function launchMarionette(downloads) {
  const profile = mkdtempSync(path.join(tmpdir(), 'arrowquant-firefox-'));
  const prefs = {
    // Any port that is free, of which Firefox writes a file.
    ...{ 'marionette.port': 0, 'remote.active-protocols': 0 },
    ...{ 'browser.download.folderList': 2, 'browser.download.dir': downloads },
  };
  writeFileSync(path.join(profile, 'user.js'), firefoxPrefs(prefs));
  const flags = ['--headless', '--no-remote', '--marionette', '--profile', profile];
  const child = spawn(programOf('firefox'), flags, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('close', resolve).on('error', resolve));
  const close = async () => {
    child.kill();
    await within(10_000, 'Firefox did not end', ended).catch(() => child.kill('SIGKILL'));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const client = await started('firefox', async () => new Marionette(await connected(profile, child)));
    await client.send('WebDriver:NewSession', {});
    await client.send('WebDriver:SetTimeouts', { script: kCallLimit, pageLoad: kCallLimit });
    return { send: client.send.bind(client), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function connected(profile, child) {
  while (child.exitCode === null && child.signalCode === null) {
    const port = portIn(path.join(profile, 'MarionetteActivePort'));
    if (port !== null) {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    }
    await wait(50);
  }
  throw new Error(`Firefox ended with exit code ${child.exitCode}`);
}

/** Null while Firefox has not written the whole number. */
function portIn(file) {
  try {
    return Number(/^\d+$/.exec(readFileSync(file, 'utf8').trim())?.[0] ?? Number.NaN) || null;
  } catch {
    return null;
  }
}

/** Messages are JSON with its length in front: `17:[0,1,"name",{}]`. */
class Marionette {
  #socket;
  #received = Buffer.alloc(0);
  #pending = new Map();
  #count = 0;

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (data) => this.#receive(data));
    const fail = () => this.#failAll(new Error('Firefox has closed the connection'));
    socket.on('close', fail).on('error', fail);
  }

  send(name, parameters) {
    const number = ++this.#count;
    const answer = new Promise((resolve, reject) => this.#pending.set(number, { resolve, reject }));
    const text = JSON.stringify([0, number, name, parameters]);
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    // Longer than Firefox waits for a script: its own words say more.
    return within(kCallLimit + 5000, `Firefox did not answer ${name}`, answer);
  }

  #receive(data) {
    this.#received = Buffer.concat([this.#received, data]);
    for (;;) {
      const colon = this.#received.indexOf(':');
      const end = colon + 1 + Number(this.#received.toString('latin1', 0, Math.max(0, colon)));
      if (colon < 0 || this.#received.length < end) return;
      const message = JSON.parse(this.#received.toString('utf8', colon + 1, end));
      this.#received = this.#received.subarray(end);
      // The first one is a greeting.
      if (Array.isArray(message)) this.#settle(message);
    }
  }

  #settle([, number, error, result]) {
    const { resolve, reject } = this.#pending.get(number);
    this.#pending.delete(number);
    if (error === null) resolve(Object.hasOwn(result ?? {}, 'value') ? result.value : result);
    else reject(new Error(`Firefox: ${error.error}: ${error.message}`));
  }

  #failAll(error) {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
