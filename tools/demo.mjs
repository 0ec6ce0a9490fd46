#!/usr/bin/env node
/**
 * `npm run demo`: builds the package and the web demo, serves it with the headers that it needs, and prints its address.
 *
 *   npm run demo -- --port 8080
 *   npm run demo:build            only builds: the static site is web-demo/dist
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { serveDemo } from './demo/server.mjs';
import { inProject, shown } from './lib/paths.mjs';
import { SetupError, runMain, runOrThrow } from './lib/run.mjs';
import { withLock } from './lib/lock.mjs';
import { isFresh, markFresh, stampOf } from './build/stamp.mjs';
import { ensureNpmPackages } from './setup/npm.mjs';

const say = (text) => console.log(`[demo] ${text}`);

const kDefaultPort = 4173;
const kInputs = [
  ...['dist', 'tools/demo.mjs', 'tools/demo/server.mjs'],
  ...['index.html', 'policy.mjs', 'vite.config.ts', 'tsconfig.json', 'package-lock.json', 'src', 'public'].map(
    (name) => `web-demo/${name}`,
  ),
];

/** Brings web-demo/dist up to date. Returns its absolute path. */
export async function buildDemo({ force = false } = {}) {
  await build();
  await ensureNpmPackages(say, 'web-demo');
  const onWait = (owner) => say(`process ${owner} is building; waiting for it`);
  await withLock(inProject('build/demo.lock'), () => buildLocked(force), onWait);
  return inProject('web-demo/dist');
}

async function buildLocked(force) {
  if (!force && isFresh('demo', kInputs)) return;
  const stamp = stampOf(kInputs);
  const folder = inProject('web-demo');
  say('types and bundle');
  const inDemo = (...parts) => path.join(folder, 'node_modules', ...parts);
  await runOrThrow('tsc', process.execPath, [inDemo('typescript/bin/tsc'), '-p', folder], { cwd: folder });
  // Tests run in another environment than production, but what they build is what people get.
  const env = { ...process.env, NODE_ENV: 'production' };
  await runOrThrow('vite', process.execPath, [inDemo('vite/bin/vite.js'), 'build'], { cwd: folder, env });
  markFresh('demo', stamp);
  say(`${shown(inProject('web-demo/dist'))}/ is ready`);
}

async function main() {
  const { values } = parseArgs({
    options: { build: { type: 'boolean' }, force: { type: 'boolean' }, port: { type: 'string' } },
  });
  const { port = String(kDefaultPort), build: onlyBuild = false, force = false } = values;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) throw new SetupError(`There is no port ${port}.`);
  const root = await buildDemo({ force });
  if (onlyBuild) return;
  const { url } = await serveDemo(root, { port: Number(port), fallBack: values.port === undefined });
  say(`the demo is at ${url} (Ctrl-C ends it)`);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) runMain(main);
