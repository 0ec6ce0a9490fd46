import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { runOrThrow } from '../lib/run.mjs';
import { writeBundles } from './bundles.mjs';
import { writeRevision } from './revision.mjs';

/** Fills `staging` with what the package ships: the modules, the bundles, their types, glues and wasm. */
export async function packageJavaScript(staging, wasm) {
  const typescript = inProject('node_modules/typescript/bin/tsc');
  await runOrThrow('Compiling js/', process.execPath, [typescript, '-p', inProject('tsconfig.json'), '--outDir', staging]);
  mkdirSync(path.join(staging, 'wasm'), { recursive: true });
  for (const name of readdirSync(wasm)) copyFileSync(path.join(wasm, name), path.join(staging, 'wasm', name));
  writeRevision(staging);
  await writeBundles(staging);
  writeCommonJsTypes(staging);
  const cli = path.join(staging, 'cli/main.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
}

/**
 * TypeScript takes index.d.ts for an ES module, which a CommonJS file may not require: the declarations that it reaches
 * are written once more as .d.cts files.
 */
function writeCommonJsTypes(staging) {
  const pending = ['index'];
  const done = new Set(pending);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const text = readFileSync(path.join(staging, `${name}.d.ts`), 'utf8');
    const folder = path.posix.dirname(name);
    const adapted = text.replace(/(['"])(\.\.?\/[^'"]+)\.js\1/g, (_, quote, specifier) => {
      const reached = path.posix.join(folder, specifier);
      if (!done.has(reached)) pending.push(reached);
      done.add(reached);
      return `${quote}${specifier}.cjs${quote}`;
    });
    writeFileSync(path.join(staging, `${name}.d.cts`), adapted.replace(/^\/\/# sourceMappingURL.*$/m, ''));
  }
}
