#!/usr/bin/env node
/**
 * `npm run demo`: builds the package and the web demo, serves it with the headers that it needs, and prints its address.
 *
 *   npm run demo -- --port 8080
 *   npm run demo -- --connect https://huggingface.co --connect 'https://*.hf.co'
 *                                 the page may read models from these hosts; from no other site without it
 *   npm run demo -- --hub https://hub.example --connect https://hub.example
 *                                 another hub for addresses that begin with hf:
 *   npm run demo:build            only builds: the static site is web-demo/dist
 */
import { existsSync } from 'node:fs';
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

/** A host of a Content-Security-Policy: nothing in it may end the directive that it is put into. */
const kHost = /^(https?):\/\/((?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::(\d{1,5}|\*))?$/;

const kDefaultPorts = { http: 80, https: 443 };

/**
 * A host as the policy and the page compare it: in lower case, and without the port that its scheme has anyway.
 *
 * @param {string} text
 * @returns {string}
 */
export function normalHost(text) {
  const [, scheme, name, port] = kHost.exec(text.toLowerCase()) ?? [];
  if (scheme === undefined || Number(port) > 65535) {
    throw new SetupError(`--connect ${text} is no host such as https://huggingface.co.`);
  }
  if (port === undefined || Number(port) === kDefaultPorts[scheme]) return `${scheme}://${name}`;
  return `${scheme}://${name}:${port === '*' ? port : Number(port)}`;
}

/**
 * Brings the site up to date.
 *
 * @param {object} [options]
 * @param {readonly string[]} [options.hosts] what the page may read from besides its own site
 * @param {string} [options.hub] the hub that addresses are of which begin with `hf:`
 * @param {string} [options.folder] where it goes, from the project's folder
 * @returns {Promise<string>} its absolute path
 */
export async function buildDemo({ force = false, hosts: given = [], hub, folder = 'web-demo/dist' } = {}) {
  const hosts = given.map(normalHost);
  if (hub !== undefined && !URL.canParse(hub)) throw new SetupError(`--hub ${hub} is no URL.`);
  await build();
  await ensureNpmPackages(say, 'web-demo');
  const onWait = (owner) => say(`process ${owner} is building; waiting for it`);
  await withLock(inProject('build/demo.lock'), () => buildLocked(force, { hosts, hub, folder }), onWait);
  return inProject(folder);
}

async function buildLocked(force, site) {
  const stage = `demo-${path.basename(path.dirname(site.folder))}-${path.basename(site.folder)}`;
  const settings = JSON.stringify(site);
  if (!force && existsSync(inProject(site.folder)) && isFresh(stage, kInputs, settings)) return;
  const stamp = stampOf(kInputs, settings);
  const folder = inProject('web-demo');
  say('types and bundle');
  const inDemo = (...parts) => path.join(folder, 'node_modules', ...parts);
  if (force || !isFresh('demo-types', kInputs)) {
    const types = stampOf(kInputs);
    await runOrThrow('tsc', process.execPath, [inDemo('typescript/bin/tsc'), '-p', folder], { cwd: folder });
    markFresh('demo-types', types);
  }
  // Tests run in another environment than production, but what they build is what people get.
  const env = {
    ...{ ...process.env, NODE_ENV: 'production', DEMO_FOLDER: inProject(site.folder) },
    ...{ DEMO_HOSTS: JSON.stringify(site.hosts), ...(site.hub !== undefined && { DEMO_HUB: site.hub }) },
  };
  await runOrThrow('vite', process.execPath, [inDemo('vite/bin/vite.js'), 'build'], { cwd: folder, env });
  markFresh(stage, stamp);
  say(`${shown(inProject(site.folder))}/ is ready`);
}

async function main() {
  const { values } = parseArgs({
    options: {
      ...{ build: { type: 'boolean' }, force: { type: 'boolean' }, port: { type: 'string' } },
      ...{ connect: { type: 'string', multiple: true }, hub: { type: 'string' } },
    },
  });
  const { port = String(kDefaultPort), build: onlyBuild = false, force = false, connect: hosts = [], hub } = values;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) throw new SetupError(`There is no port ${port}.`);
  const root = await buildDemo({ force, hosts, hub });
  if (onlyBuild) return;
  const { url } = await serveDemo(root, {
    port: Number(port),
    fallBack: values.port === undefined,
    hosts: hosts.map(normalHost),
  });
  say(`the demo is at ${url} (Ctrl-C ends it)`);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) runMain(main);
