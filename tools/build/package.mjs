import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { runOrThrow } from '../lib/run.mjs';
import { writeBundles } from './bundles.mjs';
import { minifyModules } from './modules.mjs';
import { markBuild, writeRevision } from './revision.mjs';

/** What package.json's `exports` lead to, and `browser.js`. */
const kTypedEntries = ['index', 'wasm/index', 'single', 'arrowquant.standalone', 'workerd', 'browser'];

/** Fills `staging` with what the package ships: the modules, the bundles, their types, glues and wasm. */
export async function packageJavaScript(staging, wasm) {
  const typescript = inProject('node_modules/typescript/bin/tsc');
  await runOrThrow('Compiling js/', process.execPath, [typescript, '-p', inProject('tsconfig.json'), '--outDir', staging]);
  mkdirSync(path.join(staging, 'wasm'), { recursive: true });
  for (const name of readdirSync(wasm)) copyFileSync(path.join(wasm, name), path.join(staging, 'wasm', name));
  markBuild(staging);
  writeRevision(staging);
  const modules = readdirSync(staging, { recursive: true }).filter((name) => name.endsWith('.js'));
  await writeBundles(staging);
  await minifyModules(staging, modules);
  await writeCommonJsTypes(staging);
  await removePrivateTypes(staging);
  const cli = path.join(staging, 'cli/main.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
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
 * TypeScript takes index.d.ts for an ES module, which a CommonJS file may not require: the declarations that it reaches
 * are written once more as .d.cts files, without the comments, which the others have.
 */
async function writeCommonJsTypes(staging) {
  for (const name of reachedTypes(staging, ['index'])) {
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
