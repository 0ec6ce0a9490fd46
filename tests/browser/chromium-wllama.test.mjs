/** A checkpoint becomes a GGUF in a page, and wllama, which is llama.cpp as WebAssembly, opens it in the same page. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { inProject } from '../../tools/lib/paths.mjs';
import { ensureNpmPackages } from '../../tools/setup/npm.mjs';
import { launchChromium } from './support/browsers.mjs';
import { kIsolation, kStrictPolicy, startServer } from './support/server.mjs';

const kGolden = 'tests/golden/checkpoints';
/** wllama makes its workers of Blobs. */
const kPolicy = `${kStrictPolicy['Content-Security-Policy']}; worker-src 'self' blob:`;
const kLimit = 120_000;

let server;
let browser;

beforeAll(async () => {
  await ensureNpmPackages(() => undefined, 'web-demo');
  server = await startServer({ wllama: { headers: { ...kIsolation, 'Content-Security-Policy': kPolicy } } });
  browser = await launchChromium();
}, kLimit);
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** In the page: what comes of the folder, to be read by llama.cpp. Addresses are from the site's root. */
async function convertAndTry({ site, folder, names, type }) {
  const { ArrowQuant } = await import(`${site}dist/browser.js`);
  const { Wllama } = await import(`${site}web-demo/node_modules/@wllama/wllama/esm/index.js`);
  const root = await navigator.storage.getDirectory();
  const directory = await root.getDirectoryHandle(folder.split('/').at(-1), { create: true });
  for (const name of names) {
    const response = await fetch(`${site}${folder}/${name}`);
    const stream = await (await directory.getFileHandle(name, { create: true })).createWritable();
    await response.body.pipeTo(stream);
  }
  const output = await root.getFileHandle(`${type}.gguf`, { create: true });
  const quantizer = await ArrowQuant.create();
  await quantizer.quantizeFile(directory, output, { type });
  await quantizer.dispose();
  const file = await output.getFile();
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
  const complaints = [];
  const ignore = () => undefined;
  const logger = { debug: ignore, log: ignore, warn: ignore, error: (...parts) => complaints.push(parts.join(' ')) };
  const wllama = new Wllama(
    { default: `${site}web-demo/node_modules/@wllama/wllama/esm/wasm/wllama.wasm` },
    { logger },
  );
  wllama.setCompat(null);
  await wllama.loadModel([file], { n_gpu_layers: 0 });
  const messages = [{ role: 'user', content: 'The model' }];
  let tokens = 0;
  let text = '';
  for await (const piece of await wllama.createChatCompletion({
    messages,
    max_tokens: 16,
    temperature: 0,
    stream: true,
  })) {
    text += piece.choices[0]?.delta.content ?? '';
    tokens = piece.timings?.predicted_n ?? tokens;
  }
  await wllama.exit();
  return {
    sha256: Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    ...{ tokens, text, complaints },
  };
}

test.each([
  ['llama-spm-tied', 'llama2-spm-tied', 'F16'],
  ['gemma2', 'gemma-2-tiny-it', 'Q8_0'],
])(
  'the page makes of %s what llama.cpp makes of it, and llama.cpp in the page answers a question',
  async (name, model, type) => {
    const folder = `${kGolden}/${name}/${model}`;
    const { outputs } = JSON.parse(readFileSync(inProject(`${kGolden}/${name}/case.json`), 'utf8'));
    const page = await browser.newPage();
    const problems = [];
    page.on('pageerror', ({ message }) => problems.push(message));
    await page.goto(server.url('wllama', 'web-demo/public/icon.svg'));
    const made = await page.evaluate(convertAndTry, {
      ...{ site: server.url('wllama', ''), folder, names: readdirSync(inProject(folder)), type },
    });
    await page.close();
    expect(made).toMatchObject({ sha256: outputs[type.toLowerCase()].sha256, tokens: 16, complaints: [] });
    expect(made.text).not.toBe('');
    expect(problems).toEqual([]);
  },
  kLimit,
);
