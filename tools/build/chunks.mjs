/**
 * The package as modules that share their chunks: for Node and bundlers, for pages without one, for places without workers, and
 * the command. What they have in common knows neither where it runs nor how parts are loaded: js/runtime/entry.ts takes the
 * place of `#runtime` and of every `import()`, and the entries made here give it both.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { SetupError } from '../lib/run.mjs';

const kShared = 'runtime/entry.js';

/** Entry points, by their names without the ending. Those of runtimes find the package's files from where they lie. */
const kEntries = ['index', 'wasm/index', 'browser', 'single', 'cli/main'];
const kRuntimes = ['runtime/node', 'runtime/browser'];

/** `import()` of what is in the package, as TypeScript leaves it. */
const kImport = /\bimport\((['"])(\.[^'"]+|#hub)\1\)/g;

/** Modules whose parts are loaded by themselves: they are for one entry only. */
const kAlone = /^(cli\/|runtime\/node\b|workers\/)/;

const isGlue = (name) => /^wasm\/arrowquant-\w+\.js$/.test(name);

/** Bundles all of them into `staging`, over the modules that they are made of. Gives the names of the entries. */
export async function bundleChunks(staging, options) {
  const { build } = await import('esbuild');
  const points = [
    ...kEntries.map((name) => [name, `entry:${name}`]),
    ...kRuntimes.map((name) => [name, path.join(staging, `${name}.js`)]),
  ];
  const { metafile } = await build({
    ...options,
    entryPoints: Object.fromEntries(points),
    outdir: staging,
    allowOverwrite: true,
    chunkNames: 'chunks/[name]-[hash]',
    splitting: true,
    metafile: true,
    external: ['node:*', 'commander', 'cli-progress'],
    plugins: [...(options.plugins ?? []), sharedChunks(staging)],
  });
  const outputs = Object.keys(metafile.outputs).map((name) => path.relative(staging, path.resolve(name)));
  checkChunks(staging, outputs.map(slashed));
  return [...kEntries, ...kRuntimes].map((name) => `${name}.js`);
}

const slashed = (name) => name.replaceAll(path.sep, '/');

/** What files must not have: chunks do not know where they lie, and what `single` loads has no `import()`. */
function checkChunks(staging, outputs) {
  for (const name of outputs) {
    const forbidden = name === 'single.js' ? /\bimport\(/ : name.startsWith('chunks/') && /\bimport\.meta\b|\bimport\(/;
    const found = forbidden && forbidden.exec(readFileSync(path.join(staging, name), 'utf8'));
    if (found) throw new SetupError(`${name} must not have ${found[0]} in it.`);
  }
}

/** What a module calls a part, by which its loader is found. */
const partName = (staging, file, address) =>
  address.startsWith('#') ? address : slashed(path.relative(staging, path.resolve(path.dirname(file), address)));

/** The names of all parts that modules of the package load when they need them. */
function partsOf(staging) {
  const names = readdirSync(staging, { recursive: true })
    .map(slashed)
    .filter((name) => name.endsWith('.js') && !kAlone.test(name) && !isGlue(name));
  const parts = names.flatMap((name) => {
    const file = path.join(staging, name);
    return [...readFileSync(file, 'utf8').matchAll(kImport)].map(([, , address]) => partName(staging, file, address));
  });
  return [...new Set(parts)].sort();
}

/** How the file of an entry calls a file of the package that is not in it. */
function outside(entry, file) {
  const address = slashed(path.relative(path.dirname(entry), file));
  return `outside:${address.startsWith('.') ? address : `./${address}`}`;
}

function addressOf(entry, part) {
  if (isGlue(part)) return outside(entry, part);
  if (part !== '#hub') return `entry:${part}`;
  return entry === 'browser' || entry === 'single' ? outside(entry, 'hub.js') : 'outside:#hub';
}

/** The text that gives an entry's runtime and parts: these are loaded when they are needed. */
function provided(entry, runtime, parts) {
  const loaders = parts.map((part) => `${JSON.stringify(part)}: () => import(${JSON.stringify(addressOf(entry, part))})`);
  return provision(runtime, [], loaders);
}

/** The same where `import()` is forbidden: all of them are there from the start, but for what has threads. */
function providedAtOnce(entry, runtime, parts) {
  const there = parts.filter((part) => part !== 'wasm/arrowquant-threads.js');
  const addresses = there.map((part) => addressOf(entry, part).replace('entry:', './'));
  const imports = addresses.map((address, index) => `import * as part${index} from '${address}';`);
  const loaders = there.map((part, index) => `${JSON.stringify(part)}: () => Promise.resolve(part${index})`);
  return provision(runtime, imports, loaders);
}

const provision = (runtime, imports, loaders) =>
  [
    `import { provide } from './${kShared}';`,
    `import { runtime } from '${runtime}';`,
    ...imports,
    `provide(runtime, { ${loaders.join(', ')} });`,
  ].join('\n');

/**
 * A part that is loaded when it is needed. It names what has loaded it, so that what both use is one chunk: esbuild makes one
 * for every set of entries that have modules in common.
 */
const partText = (part) => `export * from './${part}';\nexport { ArrowQuant as package } from './index.js';`;

/** The texts of the entries, and of what they import first. */
function entryTexts(parts) {
  const glues = parts.filter(isGlue);
  return {
    index: `${provided('index', 'outside:#runtime', parts)}\nexport * from './index.js';`,
    'wasm/index': `${provided('wasm/index', 'outside:#runtime', glues)}\nexport { default } from './wasm/index.js';`,
    browser: `${provided('browser', outside('browser', 'runtime/browser.js'), parts)}\nexport * from './index.js';`,
    single: `${providedAtOnce('single', './runtime/service-worker.js', parts)}\nexport * from './single.js';`,
    // What runs at once must come after what it needs.
    'cli/main': `#!/usr/bin/env node\nimport 'entry:for the command';\nimport './cli/main.js';`,
    'for the command': provided('cli/main', outside('cli/main', 'runtime/node.js'), parts),
    ...Object.fromEntries(parts.map((part) => [part, partText(part)])),
  };
}

/** Makes the entries, and turns every `import()` of what they share into a question to what the entry has given. */
const sharedChunks = (staging) => ({
  name: 'shared chunks',
  setup({ onResolve, onLoad }) {
    const texts = entryTexts(partsOf(staging));
    onResolve({ filter: /^entry:/ }, ({ path: name }) => ({ path: name.slice('entry:'.length), namespace: 'entry' }));
    onLoad({ filter: /.*/, namespace: 'entry' }, ({ path: name }) => ({ contents: texts[name], resolveDir: staging }));
    onResolve({ filter: /^outside:/ }, ({ path: name }) => ({ path: name.slice('outside:'.length), external: true }));
    onResolve({ filter: /^#runtime$/ }, () => ({ path: path.join(staging, kShared) }));
    onLoad({ filter: /\.js$/, namespace: 'file' }, ({ path: file }) => {
      if (kAlone.test(slashed(path.relative(staging, file)))) return undefined;
      const text = readFileSync(file, 'utf8');
      const asked = (_, quote, address) => `importPart('${partName(staging, file, address)}')`;
      const contents = text.replace(kImport, asked);
      if (contents === text) return undefined;
      return { contents: `import { importPart } from ${JSON.stringify(path.join(staging, kShared))};\n${contents}` };
    });
  },
});
