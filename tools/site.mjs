#!/usr/bin/env node
/**
 * `npm run site`: the documentation, the API reference and the demo, as one static site in build/site. Does nothing when
 * nothing has changed; `--force` builds all the same, and `--connect HOST` is that of `npm run demo`.
 */
import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isFresh, markFresh, stampOf } from './build/stamp.mjs';
import { buildDemo } from './demo.mjs';
import { demoHeaders } from './demo/server.mjs';
import { withLock } from './lib/lock.mjs';
import { inProject, shown } from './lib/paths.mjs';
import { SetupError, runMain, runOrThrow } from './lib/run.mjs';
import { ensureNpmPackages } from './setup/npm.mjs';
import { brokenLinks, pagesUnder } from './site/links.mjs';

const say = (text) => console.log(`[site] ${text}`);

const kInputs = [
  ...['js', 'docs', 'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'tsconfig.json', 'web-demo/dist', 'tools/site.mjs'],
  ...['links.mjs', 'literal-unions.mjs', 'package-lock.json', 'typedoc.json'].map((name) => `tools/site/${name}`),
];

/** Brings build/site up to date, with a demo that may read from `hosts`. Returns its absolute path. */
export async function buildSite({ force = false, hosts = [] } = {}) {
  const demo = await buildDemo({ hosts });
  await ensureNpmPackages(say, 'tools/site');
  const site = inProject('build/site');
  const onWait = (owner) => say(`process ${owner} is building; waiting for it`);
  await withLock(inProject('build/site.lock'), () => buildLocked(site, { demo, hosts, force }), onWait);
  return site;
}

async function buildLocked(site, { demo, hosts, force }) {
  const settings = JSON.stringify(hosts);
  if (!force && existsSync(site) && isFresh('site', kInputs, settings)) return;
  const stamp = stampOf(kInputs, settings);
  const staging = `${site}.new`;
  rmSync(staging, { recursive: true, force: true });
  say('reference and pages');
  const typedoc = inProject('tools/site/node_modules/typedoc/bin/typedoc');
  const parameters = [typedoc, '--options', inProject('tools/site/typedoc.json'), '--out', staging];
  await runOrThrow('typedoc', process.execPath, parameters, { cwd: inProject('tools/site') });
  cpSync(demo, path.join(staging, 'demo'), { recursive: true });
  linkReferenceAndDemo(staging);
  writeHeaders(staging, hosts);
  const broken = brokenLinks(staging);
  if (broken.length > 0) throw new SetupError(`Links of the site lead nowhere:\n${broken.join('\n')}`);
  rmSync(site, { recursive: true, force: true });
  renameSync(staging, site);
  markFresh('site', stamp);
  say(`${shown(site)}/ is ready`);
}

/** The site may lie anywhere on its host: the address of the demo depends on the page. */
function linkReferenceAndDemo(site) {
  for (const page of pagesUnder(site)) {
    const file = path.join(site, page);
    const up = '../'.repeat(page.split(path.sep).length - 1);
    const text = readFileSync(file, 'utf8');
    const linked =
      page === path.join('demo', 'index.html')
        ? text.replace('</head>', '<link rel="help" href="../" /></head>')
        : text.replaceAll('href="site:', `href="${up}`);
    writeFileSync(file, linked);
  }
}

/** What Netlify and Cloudflare Pages read. Where no such headers are sent the demo works without shared memory. */
function writeHeaders(site, hosts) {
  const lines = Object.entries(demoHeaders(hosts)).map(([name, value]) => `  ${name}: ${value}`);
  writeFileSync(path.join(site, '_headers'), `/demo/*\n${lines.join('\n')}\n`);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const options = { force: { type: 'boolean' }, connect: { type: 'string', multiple: true } };
  runMain(() => {
    const { force, connect } = parseArgs({ options }).values;
    return buildSite({ force, hosts: connect });
  });
}
