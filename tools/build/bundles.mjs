/** The files of the package, which are made of many modules each. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundleChunks } from './chunks.mjs';
import { differencesOf } from './differences.mjs';
import { bundleHub } from './hub.mjs';

/** Writes all of them into `staging`, where the modules are already. Gives their names, but for those of the chunks. */
export async function writeBundles(staging) {
  await bundleCommonJs(staging);
  await bundleHub(staging);
  await bundleArrow(staging);
  // Before the glue without threads becomes the script of workers, too: who has it inside starts none with it.
  const scripts = await workerScripts(staging);
  await bundleWhole(staging, 'arrowquant.standalone', scripts['worker.js']);
  const entries = await bundleChunks(staging, { ...kBrowser, plugins: [movedAddresses(staging, /\/runtime\/service-worker\.js$/)] });
  for (const name of ['browser', 'single']) writeTypes(staging, name);
  for (const [name, text] of Object.entries(scripts)) writeFileSync(path.join(staging, name), text);
  return ['hub.js', 'arrow.js', 'arrowquant.standalone.js', ...entries, ...Object.keys(scripts)];
}

const kBrowser = { bundle: true, format: 'esm', platform: 'browser', target: 'es2022', minify: true, logLevel: 'warning' };

/** One file for require(), with the glues inside: test runners for CommonJS cannot import() any. */
async function bundleCommonJs(staging) {
  const { build } = await import('esbuild');
  await build({
    entryPoints: [path.join(staging, 'index.js')],
    outfile: path.join(staging, 'index.cjs'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    external: ['#hub'],
    // What is imported when it is needed is required then.
    supported: { 'dynamic-import': false },
    plugins: [replaceModules(staging, { '#runtime': 'runtime/node.js' })],
    minify: true,
    // runtime/node.js finds its files from where it is, outside of the bundle.
    define: { 'import.meta.url': 'runtimeUrl' },
    banner: {
      js: `const runtimeUrl = require('node:url').pathToFileURL(require('node:path').join(__dirname, 'runtime/node.js'));`,
    },
    logLevel: 'warning',
  });
}

/**
 * What makes Arrow tables, for import and for require(). It shares no chunk, so that nothing that pages load is cut in two for it:
 * the package finds it by a global symbol.
 */
async function bundleArrow(staging) {
  const { build } = await import('esbuild');
  const options = { ...kBrowser, entryPoints: [path.join(staging, 'arrow.js')], external: ['apache-arrow'] };
  await build({ ...options, format: 'cjs', outfile: path.join(staging, 'arrow.cjs') });
  await build({ ...options, outfile: path.join(staging, 'arrow.js'), allowOverwrite: true });
}

/**
 * What workers run, by the names of the files: `worker.js` for threads and workers, and the glue without threads, which is
 * at once the script of the workers that use it, as the glue with threads is that of its threads. None imports anything.
 */
async function workerScripts(staging) {
  const { build } = await import('esbuild');
  const outputs = { 'worker.js': 'worker.js', 'runtime/worker-browser.js': 'wasm/arrowquant-single.js' };
  const bundles = Object.entries(outputs).map(async ([entry, name]) => {
    const options = { ...kBrowser, entryPoints: [path.join(staging, entry)], write: false };
    const { outputFiles } = await build(options);
    return [name, outputFiles[0].text];
  });
  return Object.fromEntries(await Promise.all(bundles));
}

/** One module with everything inside, for where a runtime of its own is needed. */
async function bundleWhole(staging, name, worker) {
  const { build } = await import('esbuild');
  await build({
    ...kBrowser,
    entryPoints: [path.join(staging, 'index.js')],
    outfile: path.join(staging, `${name}.js`),
    plugins: [
      replaceModules(staging, { '#runtime': 'runtime/standalone.js', '#hub': 'hub.js' }),
      movedAddresses(staging, /\/runtime\/[^/]+\.js$/),
      embeddedFiles(staging, worker),
    ],
  });
  writeTypes(staging, name);
}

const writeTypes = (staging, name) =>
  writeFileSync(path.join(staging, `${name}.d.ts`), "export * from './index.js';\n");

/** Modules of the package that stand for others, by what imports call those. */
const replaceModules = (staging, modules) => ({
  name: 'replaced modules',
  setup({ onResolve }) {
    for (const [name, file] of Object.entries(modules)) {
      const filter = new RegExp(`^${name.replaceAll('.', '\\.')}$`);
      onResolve({ filter }, () => ({ path: path.join(staging, file) }));
    }
  },
});

/** How a bundle in the package's main folder names a file of the package. */
const fromBundle = (staging, file) => `./${path.relative(staging, file).replaceAll(path.sep, '/')}`;

/** `new URL('…', import.meta.url)`, in which a module names what lies beside it; so does its bundle, from where it lies. */
const kAddress = /new URL\(['"](\.[^'"]*)['"], import\.meta\.url\)/g;

const movedAddresses = (staging, filter) => ({
  name: 'moved addresses',
  setup({ onLoad }) {
    onLoad({ filter }, ({ path: file }) => {
      const moved = (_, address) =>
        `new URL('${fromBundle(staging, path.join(path.dirname(file), address))}', import.meta.url)`;
      return { contents: readFileSync(file, 'utf8').replace(kAddress, moved) };
    });
  },
});

/** What js/runtime/bundled.d.ts declares. */
const embeddedFiles = (staging, worker) => ({
  name: 'embedded files',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^embedded$/ }, ({ path: name }) => ({ path: name, namespace: 'embedded' }));
    const [threads, single] = ['threads', 'single'].map((flavour) =>
      readFileSync(path.join(staging, `wasm/arrowquant-${flavour}.wasm`)),
    );
    // Shorter blocks of symbols suit code: it takes a few hundred bytes less.
    const packed = (bytes) => gzipSync(bytes, { level: 9, memLevel: 6 }).toString('base64');
    onLoad({ filter: /.*/, namespace: 'embedded' }, () => ({
      contents: [
        `export const WASM = ${JSON.stringify({ threads: packed(threads), single: packed(differencesOf(threads, single)) })};`,
        `export const WORKER = ${JSON.stringify(worker)};`,
      ].join('\n'),
    }));
  },
});
