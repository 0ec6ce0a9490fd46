import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { contentSecurityPolicy } from './policy.mjs';

/** What tools/demo.mjs says of this build. */
const { DEMO_FOLDER, DEMO_HOSTS = '[]', DEMO_HUB = 'https://huggingface.co' } = process.env;
const DIST = DEMO_FOLDER ?? path.join(import.meta.dirname, 'dist');
const HOSTS = JSON.parse(DEMO_HOSTS) as readonly string[];
const SERVICE_WORKER = 'sw.js';
/** llama.cpp, of which most visits need nothing (src/trial/llama.ts). */
const ON_DEMAND = /^assets\/w?llama-[^/]*$/;

/** The same policy that the server sends as a header, for hosts that send none. */
const policyTag: Plugin = {
  name: 'content-security-policy',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy(HOSTS) },
      injectTo: 'head-prepend',
    },
  ],
};

/** Tells the service worker which files make up the site, and a version that changes with any of them. */
const precacheList: Plugin = {
  name: 'precache-list',
  apply: 'build',
  enforce: 'post',
  closeBundle() {
    const files = filesUnder(DIST).filter((file) => file !== SERVICE_WORKER);
    const hash = createHash('sha256');
    for (const file of files) hash.update(file).update(readFileSync(path.join(DIST, file)));
    const worker = path.join(DIST, SERVICE_WORKER);
    const first = files.filter((file) => !ON_DEMAND.test(file)).map((file) => (file === 'index.html' ? './' : file));
    const text = readFileSync(worker, 'utf8')
      .replace('__FILES__', () => JSON.stringify(first))
      .replace('__LATER__', () => JSON.stringify(files.filter((file) => ON_DEMAND.test(file))))
      .replace('__VERSION__', () => JSON.stringify(hash.digest('hex').slice(0, 16)));
    writeFileSync(worker, text);
  },
};

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => statSync(path.join(folder, file)).isFile())
    .map((file) => file.replaceAll(path.sep, '/'))
    .sort();
}

export default defineConfig({
  root: import.meta.dirname,
  // A static site may live anywhere on its host.
  base: './',
  plugins: [policyTag, precacheList],
  define: { __HOSTS__: JSON.stringify(HOSTS), __HUB__: JSON.stringify(DEMO_HUB) },
  // A chunk that imports from the worker's own script never arrives in WebKitGTK.
  worker: { format: 'es', rollupOptions: { output: { inlineDynamicImports: true } } },
  build: {
    outDir: DIST,
    emptyOutDir: true,
    target: 'es2022',
    // The policy knows no data: for anything but images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // ECharts and the wasm glue are loaded when they are needed.
    chunkSizeWarningLimit: 800,
    rollupOptions: {
      input: {
        index: path.join(import.meta.dirname, 'index.html'),
        sw: path.join(import.meta.dirname, 'src/service-worker.ts'),
      },
      output: { entryFileNames: ({ name }) => (name === 'sw' ? SERVICE_WORKER : 'assets/[name]-[hash].js') },
    },
  },
});
