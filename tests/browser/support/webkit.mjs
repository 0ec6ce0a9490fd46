import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { kCallLimit, programOf, started } from './browsers.mjs';
import { within } from './time-limit.mjs';

const kMiniBrowser = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';

/**
 * What a call of the driver gives, or a rejection that says which one failed, or has no answer.
 *
 * @template T
 * @param {string} call such as "opening http://…"
 * @param {Promise<T>} answer
 * @returns {Promise<T>}
 */
export const answered = (call, answer) =>
  within(
    kCallLimit + 5000,
    `WebKitGTK did not answer ${call}`,
    answer.catch((error) => {
      throw new Error(`WebKitGTK, ${call}: ${error.message || error.name}`, { cause: error });
    }),
  );

/**
 * A window of WebKitGTK on a screen of its own. `driver` is Selenium's, whose calls have no time limits: put them into
 * `answered`. `close` ends all of it.
 *
 * What pages download goes to the folder `downloads`.
 *
 * Unlike Safari, WebKitGTK gives SharedArrayBuffer to all pages or to none, isolated or not: `sharedMemory` says which.
 */
export async function launchWebKit({ sharedMemory = true, downloads } = {}) {
  const children = [];
  const end = () => children.map((child) => child.kill());
  try {
    const driver = await started('webkit', () => startWebKit(children, sharedMemory, downloads));
    const close = () => within(kCallLimit, 'WebKitGTK did not end', driver.quit()).finally(end);
    return { driver, close };
  } catch (error) {
    end();
    throw error;
  }
}

async function startWebKit(children, sharedMemory, downloads) {
  const { Builder, Capabilities } = await import('selenium-webdriver');
  const screen = ['-displayfd', '3', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'];
  const display = start(children, 'Xvfb', screen, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const [number] = await orEnd(display, 'Xvfb', once(display.stdio[3], 'data'));
  const port = await freePort();
  const env = {
    ...process.env,
    DISPLAY: `:${String(number).trim()}`,
    JSC_useSharedArrayBuffer: sharedMemory ? '1' : '0',
    ...(downloads !== undefined && { XDG_CONFIG_HOME: settingsFor(downloads) }),
  };
  const program = programOf('webkit');
  const service = start(children, program, [`--port=${port}`, '--host=127.0.0.1'], { env, stdio: 'ignore' });
  await orEnd(service, program, untilAccepting(port, service));
  const capabilities = new Capabilities({
    browserName: 'MiniBrowser',
    'webkitgtk:browserOptions': { binary: kMiniBrowser, args: ['--automation'] },
  });
  const driver = await new Builder().usingServer(`http://127.0.0.1:${port}`).withCapabilities(capabilities).build();
  // Its own words say more than that nothing came.
  await driver.manage().setTimeouts({ pageLoad: kCallLimit, script: kCallLimit });
  return driver;
}

/** A folder, in `downloads`, of settings of GLib, which say that people want their downloads there. */
function settingsFor(downloads) {
  const settings = path.join(downloads, '.config');
  mkdirSync(settings, { recursive: true });
  writeFileSync(path.join(settings, 'user-dirs.dirs'), `XDG_DOWNLOAD_DIR="${downloads}"\n`);
  return settings;
}

function start(children, program, parameters, options) {
  const child = spawn(program, parameters, options);
  children.push(child);
  return child;
}

/** `promise`, unless the program ends first or is not there. */
async function orEnd(child, program, promise) {
  const ended = once(child, 'close').then(([code]) => {
    throw new Error(`${program} ended with exit code ${code}`);
  });
  ended.catch(() => undefined);
  return Promise.race([promise, ended]);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** The service says nothing when it is ready: it is asked until it answers or ends. */
async function untilAccepting(port, service) {
  while (service.exitCode === null && service.signalCode === null) {
    const socket = connect(port, '127.0.0.1');
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    await wait(50);
  }
}
