import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { runProgram } from '../../places/installed.mjs';
import { kStrictPolicy } from '../../browser/support/server.mjs';
import { kEnvironment, runCommands, runTool, tool } from './projects.mjs';
import { recipe } from './recipes.mjs';

const vite = (version) => (folder) => runTool(folder, `${version}/bin/vite.js`, 'build', '--base=./');

/** webpack and Rspack have the same interface, and no configuration but the silence about sizes. */
const packWith = (module, name) => async (folder) => {
  const script = `import * as all from ${JSON.stringify(tool(module))};
    const pack = all[${JSON.stringify(name)}];
    const performance = { hints: false };
    pack({ mode: 'production', entry: './main.js', performance, context: process.cwd() }, (error, stats) => {
      const problem = error ?? (stats.hasErrors() || stats.hasWarnings() ? stats.toString() : null);
      if (problem !== null) throw new Error(problem);
    });`;
  const flags = ['--input-type=module', '--eval', script];
  await runProgram(process.execPath, flags, { cwd: folder, env: kEnvironment });
  addPage(folder);
};

const rollup = async (folder) => {
  await runTool(folder, 'rollup/dist/bin/rollup', '--config');
  addPage(folder);
};

/** What a page has that comes out of a bundler that takes scripts only. */
const addPage = (folder) => copyFileSync(path.join(folder, 'index.html'), path.join(folder, 'dist/index.html'));

const kCopies = recipe('esbuild and other bundlers');
const kAssets = recipe('Rollup');
const kStandalone = recipe('One file');
const kAddresses = recipe('From elsewhere');
const { 'rollup.config.js': kAssetsConfig } = kAssets.files;
/** The same without the plugin that copies files. */
const kPlainConfig = kAssetsConfig.replace(/import .*importMetaAssets.*\n/, '').replace(', importMetaAssets()', '');

const kBlobPolicy = {
  'Content-Security-Policy': `${kStrictPolicy['Content-Security-Policy']}; worker-src 'self' blob:`,
};
const kClassic = '<script defer src="./main.js"></script>';

/**
 * One page for every way to get the package into it. `entry` and `files` are as `makeApplication` takes them, `build` makes
 * `dist` of the folder, `policy` is what the page is served with instead of the strict one.
 */
export const kViteApplications = {
  vite: { build: vite('vite') },
  'vite-worker': { entry: 'in-worker.js', build: vite('vite') },
  'vite-urls': {
    entry: 'with-recipe.js',
    files: { 'quantizer.js': kAddresses.files['quantizer.js'] },
    build: vite('vite'),
  },
  vite5: { build: vite('vite5') },
  'vite5-worker': { entry: 'in-worker.js', files: recipe('Vite').files, build: vite('vite5') },
};

/** As `kViteApplications`. */
export const kApplications = {
  webpack: { script: kClassic, build: packWith('webpack/lib/index.js', 'default') },
  'webpack-worker': { entry: 'in-worker.js', script: kClassic, build: packWith('webpack/lib/index.js', 'default') },
  'webpack-commonjs': {
    script: kClassic,
    files: {
      // Without a type: a file may be of either kind.
      'package.json': '{ "private": true }',
      'main.js': `const { ArrowQuant } = require('arrowquant');
        require('./work.js').outcomeOf(ArrowQuant).then((outcome) => {
          document.querySelector('output').textContent = JSON.stringify(outcome);
        });`,
    },
    build: packWith('webpack/lib/index.js', 'default'),
  },
  rspack: { script: kClassic, build: packWith('@rspack/core/dist/index.js', 'rspack') },
  parcel: {
    // Where Parcel puts its output.
    files: { 'package.json': '{ "private": true }' },
    build: (folder) => runTool(folder, 'parcel/lib/bin.js', 'build', 'index.html', '--no-cache', '--public-url=./'),
    policy: {},
  },
  esbuild: {
    entry: 'with-recipe.js',
    files: kCopies.files,
    build: (folder) => runCommands(folder, kCopies.commands).then(() => addPage(folder)),
  },
  'esbuild-urls': {
    entry: 'with-recipe.js',
    files: {
      // esbuild makes a file of what is imported by a loader; a script that is imported becomes part of the bundle.
      'quantizer.js': kAddresses.files['quantizer.js']
        .replaceAll('.wasm?url', '.wasm')
        .replace(/import workerUrl .*/, "const workerUrl = new URL('./worker.js', import.meta.url);"),
    },
    async build(folder) {
      await runCommands(folder, 'esbuild main.js --bundle --format=esm --loader:.wasm=file --outdir=dist');
      await runCommands(folder, 'cp node_modules/arrowquant/dist/worker.js dist/');
      addPage(folder);
    },
  },
  'rollup-assets': { files: kAssets.files, build: rollup },
  rollup: {
    entry: 'with-recipe.js',
    files: { ...kCopies.files, 'rollup.config.js': kPlainConfig },
    async build(folder) {
      await rollup(folder);
      await runCommands(folder, kCopies.commands.replace(/^esbuild .*\n/, ''));
    },
  },
  standalone: {
    entry: 'with-recipe.js',
    files: kStandalone.files,
    async build(folder) {
      await runCommands(folder, 'esbuild main.js --bundle --format=esm --minify --outdir=dist');
      addPage(folder);
    },
    policy: kBlobPolicy,
  },
  // Its import map leads to node_modules, and stands in the page: the policy has to allow that.
  plain: {
    script: `${importMap('../node_modules/arrowquant/dist/browser.js')}
    <script type="module" src="./main.js"></script>`,
    build: () => undefined,
    served: '..',
    policy: {},
  },
};

function importMap(address) {
  return `<script type="importmap">
      ${JSON.stringify({ imports: { arrowquant: address } })}
    </script>`;
}

/** Those that come out of a bundler that copies no files, for who has not read what to do. */
export const kUnread = {
  'esbuild-unread': {
    async build(folder) {
      await runCommands(folder, 'esbuild main.js --bundle --format=esm --outdir=dist');
      addPage(folder);
    },
  },
  'rollup-unread': { files: { 'rollup.config.js': kPlainConfig }, build: rollup },
};

/** npm packages that configurations of recipes import. */
export const kLinked = ['@rollup/plugin-node-resolve', '@web/rollup-plugin-import-meta-assets'];
