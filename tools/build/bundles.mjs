/** The files of the package that are made of many modules: for CommonJS, for pages without a bundler, for workers. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

/** Writes all of them into `staging`, where the modules are already. */
export async function writeBundles(staging) {
  await bundleCommonJs(staging);
  await bundleWorkers(staging);
  await bundlePage(staging, 'browser.js', { runtime: 'browser', loadsGlues: true });
  await bundlePage(staging, 'single.js', { runtime: 'service-worker', glues: 'glues-single' });
  await bundlePage(staging, 'arrowquant.standalone.js', { runtime: 'standalone' });
}

const kBrowser = { bundle: true, format: 'esm', platform: 'browser', target: 'es2022', minify: true };

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
    // What is imported when it is needed is required then.
    supported: { 'dynamic-import': false },
    plugins: [replaceModules(staging, { '#runtime': 'runtime/node.js' })],
    minify: true,
    keepNames: true,
    // runtime/node.js finds its files from where it is, outside of the bundle.
    define: { 'import.meta.url': 'runtimeUrl' },
    banner: {
      js: `const runtimeUrl = require('node:url').pathToFileURL(require('node:path').join(__dirname, 'runtime/node.js'));`,
    },
    logLevel: 'warning',
  });
}

/** What workers run, each in one file; but that of the backend `workers` imports the glue that its page has loaded. */
async function bundleWorkers(staging) {
  const { build } = await import('esbuild');
  const bundle = (file, options) =>
    build({
      ...kBrowser,
      entryPoints: [path.join(staging, file)],
      outfile: path.join(staging, file),
      allowOverwrite: true,
      logLevel: 'warning',
      ...options,
    });
  // The first takes the second in as it was.
  await bundle('worker.js');
  await bundle('runtime/worker-browser.js', { external: ['*/arrowquant-single.js'] });
}

/**
 * One module for where a runtime of its own is needed, or where nobody understands the package's imports map. It holds the
 * glues, unless they are to be loaded when they are needed, from where they are.
 */
async function bundlePage(staging, name, { runtime, glues = 'glues', loadsGlues = false }) {
  const { build } = await import('esbuild');
  await build({
    ...kBrowser,
    entryPoints: [path.join(staging, 'index.js')],
    outfile: path.join(staging, name),
    allowOverwrite: true,
    plugins: [
      replaceModules(staging, { '#runtime': `runtime/${runtime}.js`, './glues.js': `wasm/${glues}.js` }),
      staysOutside(staging, loadsGlues ? /\/arrowquant-\w+\.(js|wasm)$/ : /\/arrowquant-\w+\.wasm$/),
      movedAddresses(staging),
      embeddedFiles(staging),
    ],
    logLevel: 'warning',
  });
  const types = path.join(staging, name.replace(/\.js$/, '.d.ts'));
  writeFileSync(types, "export * from './index.js';\n");
}

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

/** Files of the package that are imported from where they are. */
const staysOutside = (staging, filter) => ({
  name: 'files outside',
  setup({ onResolve }) {
    onResolve({ filter }, ({ path: address, resolveDir }) => ({
      path: fromBundle(staging, path.join(resolveDir, address)),
      external: true,
    }));
  },
});

/** `new URL('…', import.meta.url)`, in which a module names what lies beside it; so does its bundle, from where it lies. */
const kAddress = /new URL\((['`])(\.[^'`$]*)(.*?), (import\.meta\.url|BASE)\)/g;

const movedAddresses = (staging) => ({
  name: 'moved addresses',
  setup({ onLoad }) {
    onLoad({ filter: /\/runtime\/[^/]+\.js$/ }, ({ path: file }) => {
      const moved = (_, quote, address, rest, base) => {
        const slash = address.endsWith('/') ? '/' : '';
        const place = fromBundle(staging, path.join(path.dirname(file), address)).replace(/\/$/, '');
        return `new URL(${quote}${place}${slash}${rest}, ${base})`;
      };
      return { contents: readFileSync(file, 'utf8').replace(kAddress, moved) };
    });
  },
});

/** What js/runtime/bundled.d.ts declares. */
const embeddedFiles = (staging) => ({
  name: 'embedded files',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^embedded$/ }, ({ path: name }) => ({ path: name, namespace: 'embedded' }));
    onLoad({ filter: /.*/, namespace: 'embedded' }, () => ({
      contents: [
        `export const WASM = ${JSON.stringify({ threads: packed('threads'), single: packed('single') })};`,
        `export const WORKER = ${JSON.stringify(readFileSync(path.join(staging, 'worker.js'), 'utf8'))};`,
      ].join('\n'),
    }));
    const packed = (flavour) =>
      gzipSync(readFileSync(path.join(staging, `wasm/arrowquant-${flavour}.wasm`)), { level: 9 }).toString('base64');
  },
});
