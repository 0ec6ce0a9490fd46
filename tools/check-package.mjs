#!/usr/bin/env node
/** What attw and publint say of the package as it is shipped; fails on anything that kAccepted does not name. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { inProject } from './lib/paths.mjs';
import { SetupError, runMain, runOrThrow } from './lib/run.mjs';
import { ensureNpmPackages } from './setup/npm.mjs';

const fromTests = createRequire(inProject('tests/types/package.json'));
const importFromTests = (name) => import(pathToFileURL(fromTests.resolve(name)).href);

/** What is as it is meant to be, with the reason. */
const kAccepted = {
  'CJSResolvesToESM ./wasm': 'an ES module only, which CommonJS gets by import()',
  'CJSResolvesToESM ./single': 'for service workers, which are ES modules',
  'CJSResolvesToESM ./standalone': 'for pages, which import it by its address',
  USE_EXPORTS_BROWSER: 'for Parcel, which by default does not read `exports`; all others take those',
};

/** Files to serve or to bundle: nobody imports them for their types. */
const kFiles = ['./worker.js', './arrowquant-threads.wasm', './arrowquant-single.wasm'];

/** The tarball of `npm pack`, as bytes. */
async function packed() {
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-pack-'));
  try {
    const parameters = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
    const [{ filename }] = JSON.parse(await runOrThrow('npm pack', 'npm', parameters, { cwd: inProject('.') }));
    return readFileSync(path.join(folder, filename));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether every way to find modules finds each entry point's types, of the kind of module that it then gets. */
async function typeProblems(tarball) {
  const { checkPackage, createPackageFromTarballData } = await importFromTests('@arethetypeswrong/core');
  const { problems } = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)), {
    excludeEntrypoints: kFiles,
  });
  return problems.map(({ kind, entrypoint, resolutionKind, ...rest }) =>
    entrypoint === undefined ? `${kind} ${JSON.stringify(rest)}` : `${kind} ${entrypoint} (${resolutionKind})`,
  );
}

/** Whether package.json says what Node and bundlers need. */
async function manifestProblems(tarball) {
  const { publint } = await importFromTests('publint');
  const { formatMessage } = await importFromTests('publint/utils');
  const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true });
  return messages.map((message) => `${message.code}: ${formatMessage(message, pkg, { color: false })}`);
}

runMain(async () => {
  await ensureNpmPackages((text) => console.log(`[set-up] ${text}`), 'tests/types');
  await build();
  const tarball = await packed();
  const problems = [...(await typeProblems(tarball)), ...(await manifestProblems(tarball))];
  const bad = problems.filter((problem) => !Object.keys(kAccepted).some((accepted) => problem.startsWith(accepted)));
  // An exception that nothing needs any more would hide the next fault of its kind.
  const idle = Object.keys(kAccepted).filter((accepted) => !problems.some((problem) => problem.startsWith(accepted)));
  const faults = [...bad, ...idle.map((accepted) => `${accepted}: accepted, but there is no such problem`)];
  if (faults.length > 0) throw new SetupError(`The package as it is shipped:\n${faults.join('\n')}`);
});
