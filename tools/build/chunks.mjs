/**
 * Bundles that share their chunks: `browser.js`, for pages without a bundler, and `single.js`. What they have in common knows
 * neither where it runs nor how parts are loaded: js/runtime/entry.ts takes the place of `#runtime` and of every `import()`,
 * and the entries made here give it both.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const kBundled = 'runtime/entry.js';

/** `import()` of what is in the package, as TypeScript leaves it. */
const kImport = /\bimport\((['"])(\.[^'"]+|#hub)\1\)/g;

/** Folders and files whose parts are no page's: those of Node, and those that other modules take the place of. */
const kElsewhere = /^(cli|runtime\/node|workers)\b/;

/** Where parts lie that are files of their own, from the package's main folder. */
const kFiles = { '#hub': './hub.js' };
const isGlue = (name) => /^wasm\/arrowquant-\w+\.js$/.test(name);

/** What a module calls a part, by which its loader is found. */
const partName = (staging, file, address) =>
  address.startsWith('#') ? address : path.relative(staging, path.resolve(path.dirname(file), address)).replaceAll(path.sep, '/');

/** The names of all parts that modules of the package load when they need them. */
function partsOf(staging) {
  const names = readdirSync(staging, { recursive: true })
    .map((name) => name.replaceAll(path.sep, '/'))
    .filter((name) => name.endsWith('.js') && !kElsewhere.test(name) && !isGlue(name));
  const parts = names.flatMap((name) => {
    const file = path.join(staging, name);
    return [...readFileSync(file, 'utf8').matchAll(kImport)].map(([, , address]) => partName(staging, file, address));
  });
  return [...new Set(parts)].sort();
}

const addressOf = (part) => kFiles[part] ?? `./${part}`;

/** Of `browser.js`: parts are loaded when they are needed. */
function browserEntry(parts) {
  const loaders = parts.map((part) => `${JSON.stringify(part)}: () => import(${JSON.stringify(addressOf(part))}),`);
  return entryOf('runtime/browser.js', [], loaders);
}

/** Of `single.js`: where `import()` is forbidden, all of them are there from the start, but for what has threads. */
function singleEntry(parts) {
  const there = parts.filter((part) => part !== 'wasm/arrowquant-threads.js');
  const imports = there.map((part, index) => `import * as part${index} from ${JSON.stringify(addressOf(part))};`);
  const loaders = there.map((part, index) => `${JSON.stringify(part)}: () => Promise.resolve(part${index}),`);
  return entryOf('runtime/service-worker.js', [...imports, `export * from './single.js';`], loaders);
}

const entryOf = (runtime, imports, loaders) =>
  [
    `import { provide } from './${kBundled}';`,
    `import { runtime } from './${runtime}';`,
    ...imports,
    `export * from './index.js';`,
    `provide(runtime, {`,
    ...loaders,
    `});`,
  ].join('\n');

/** Entry points of the bundles, by their names, for the plugin below. */
export const kChunkedEntries = { browser: 'entry:browser', single: 'entry:single' };

/** Makes the entries, and turns every `import()` of other modules into a question to what the entry has given. */
export const sharedChunks = (staging) => ({
  name: 'shared chunks',
  setup({ onResolve, onLoad }) {
    const parts = partsOf(staging);
    const entries = { 'entry:browser': browserEntry(parts), 'entry:single': singleEntry(parts) };
    onResolve({ filter: /^entry:/ }, ({ path: name }) => ({ path: name, namespace: 'entry' }));
    onLoad({ filter: /.*/, namespace: 'entry' }, ({ path: name }) => ({ contents: entries[name], resolveDir: staging }));
    onResolve({ filter: /^#runtime$/ }, () => ({ path: path.join(staging, kBundled) }));
    onLoad({ filter: /\.js$/ }, ({ path: file }) => {
      const text = readFileSync(file, 'utf8');
      const contents = text.replace(kImport, (_, quote, address) => `importPart('${partName(staging, file, address)}')`);
      if (contents === text) return undefined;
      return { contents: `import { importPart } from '${path.join(staging, kBundled)}';\n${contents}` };
    });
  },
});
