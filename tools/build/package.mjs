import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { runOrThrow } from '../lib/run.mjs';
import { writeBundles } from './bundles.mjs';
import { minifyModules } from './modules.mjs';
import { markBuild, writeRevision } from './revision.mjs';

/** What package.json's `exports` lead to, and `browser.js`. */
const kTypedEntries = ['index', 'wasm/index', 'single', 'arrowquant.standalone', 'workerd', 'browser', 'arrow'];

/** Modules that are shipped as they are. */
const kModules = ['workerd.js', 'runtime/worker-node.js', 'runtime/worker-globals.js', 'wasm/arrowquant-threads.js'];

/**
 * Fills `staging` with what the package ships: the bundles, their types, glues and wasm; and the folder `modules` with the
 * modules that they are made of, for tests.
 */
export async function packageJavaScript(staging, wasm, modules) {
  const typescript = inProject('node_modules/typescript/bin/tsc');
  await runOrThrow('Compiling js/', process.execPath, [typescript, '-p', inProject('tsconfig.json'), '--outDir', staging]);
  mkdirSync(path.join(staging, 'wasm'), { recursive: true });
  for (const name of readdirSync(wasm)) copyFileSync(path.join(wasm, name), path.join(staging, 'wasm', name));
  markBuild(staging);
  writeRevision(staging);
  keepModules(staging, modules);
  const names = readdirSync(staging, { recursive: true }).map((name) => name.replaceAll(path.sep, '/'));
  const shipped = new Set([...(await writeBundles(staging)), ...kModules]);
  for (const name of names.filter((one) => one.endsWith('.js') && !shipped.has(one))) rmSync(path.join(staging, name));
  await minifyModules(staging, kModules);
  await writeCommonJsTypes(staging);
  await removePrivateTypes(staging);
  const cli = path.join(staging, 'cli/main.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
}

/** Copies modules and wasm, with what the package says of its `imports`, where these lead to modules. */
function keepModules(staging, modules) {
  const filter = (file) => !/\.d\.ts$/.test(file);
  cpSync(staging, modules, { recursive: true, filter });
  const { type, imports } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  const own = JSON.stringify({ type, imports }).replaceAll('./dist/', './');
  writeFileSync(path.join(modules, 'package.json'), `${own}\n`);
}

/** What `.d.ts` files say they import, as they write it. */
const kImports = /(['"])(\.\.?\/[^'"]+)\.js\1/g;

/** Names, without their ends, of the declarations that those of `entries` reach, themselves included. */
function reachedTypes(staging, entries) {
  const reached = new Set(entries);
  // A set that grows while it is gone through is gone through to its end.
  for (const name of reached) {
    const text = readFileSync(path.join(staging, `${name}.d.ts`), 'utf8');
    for (const [, , specifier] of text.matchAll(kImports)) {
      reached.add(path.posix.join(path.posix.dirname(name), specifier));
    }
  }
  return reached;
}

/**
 * TypeScript takes index.d.ts and arrow.d.ts for ES modules, which a CommonJS file may not require: the declarations that they
 * reach are written once more as .d.cts files, without the comments, which the others have.
 */
async function writeCommonJsTypes(staging) {
  for (const name of reachedTypes(staging, ['index', 'arrow'])) {
    const text = readFileSync(path.join(staging, `${name}.d.ts`), 'utf8');
    const adapted = text.replace(kImports, (_, quote, specifier) => `${quote}${specifier}.cjs${quote}`);
    writeFileSync(path.join(staging, `${name}.d.cts`), await withoutComments(adapted));
  }
}

/** Declarations, without the comments on them. */
async function withoutComments(text) {
  const { default: typescript } = await import('typescript');
  const printer = typescript.createPrinter({ removeComments: true });
  return printer.printFile(typescript.createSourceFile('declarations.d.ts', text, typescript.ScriptTarget.Latest));
}

/** What the entries export the declarations of, themselves included: people read the comments there. */
function exportedTypes(staging) {
  const imported = kTypedEntries.flatMap((entry) => {
    const text = readFileSync(path.join(staging, `${entry}.d.ts`), 'utf8');
    return [...text.matchAll(kImports)].map(([, , one]) => path.posix.join(path.posix.dirname(entry), one));
  });
  return new Set([...kTypedEntries, ...imported]);
}

/** Takes away the declarations of what nobody can import from the package, and comments on what others are made of. */
async function removePrivateTypes(staging) {
  const reached = reachedTypes(staging, kTypedEntries);
  const exported = exportedTypes(staging);
  for (const name of [...reached].filter((one) => !exported.has(one))) {
    const file = path.join(staging, `${name}.d.ts`);
    writeFileSync(file, await withoutComments(readFileSync(file, 'utf8')));
  }
  for (const name of readdirSync(staging, { recursive: true })) {
    const isPrivate = name.endsWith('.d.ts') && !reached.has(name.replaceAll(path.sep, '/').slice(0, -'.d.ts'.length));
    if (isPrivate) rmSync(path.join(staging, name));
  }
}
