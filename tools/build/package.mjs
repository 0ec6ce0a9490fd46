import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { runOrThrow } from '../lib/run.mjs';
import { writeRevision } from './revision.mjs';

/** Fills `staging` with what the package ships: the modules, the CommonJS bundle, their types, glues and wasm. */
export async function packageJavaScript(staging, wasm) {
  const typescript = inProject('node_modules/typescript/bin/tsc');
  await runOrThrow('Compiling js/', process.execPath, [typescript, '-p', inProject('tsconfig.json'), '--outDir', staging]);
  mkdirSync(path.join(staging, 'wasm'), { recursive: true });
  for (const name of readdirSync(wasm)) copyFileSync(path.join(wasm, name), path.join(staging, 'wasm', name));
  writeRevision(staging);
  await bundleCommonJs(staging);
  await bundleForPages(staging);
  await bundleWorker(staging);
  writeCommonJsTypes(staging);
  const cli = path.join(staging, 'cli/main.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
}

/** One file for require(); the glue stays an ES module that it imports when a quantizer is created. */
async function bundleCommonJs(staging) {
  const { build } = await import('esbuild');
  await build({
    entryPoints: [path.join(staging, 'index.js')],
    outfile: path.join(staging, 'index.cjs'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    external: ['#wasm/*'],
    // The package's own imports map leads to dist/, which is not there yet.
    alias: { '#runtime': path.join(staging, 'runtime/node.js') },
    // runtime/node.js finds the workers' script beside itself, from where it is outside of the bundle.
    define: { 'import.meta.url': 'runtimeUrl' },
    banner: {
      js: `const runtimeUrl = require('node:url').pathToFileURL(require('node:path').join(__dirname, 'runtime/node.js'));`,
    },
    logLevel: 'warning',
  });
}

/** One module for pages that use no bundler: browsers know nothing of the package's imports map. */
async function bundleForPages(staging) {
  const { build } = await import('esbuild');
  const { imports } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  const inStaging = (name) => path.join(staging, path.posix.relative('./dist', imports[name].default));
  const inPlace = (file) => `./${path.relative(staging, file).replaceAll(path.sep, '/')}`;
  const addresses = {
    name: 'addresses',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^#wasm\// }, ({ path: name }) => ({ path: inPlace(inStaging(name)), external: true }));
      // Scripts of workers are found from the module that starts them, which has moved.
      onLoad({ filter: /\.js$/ }, ({ path: file }) => ({
        contents: readFileSync(file, 'utf8').replace(
          /new URL\('(\.[^']+)', import\.meta\.url\)/g,
          (_, address) => `new URL('${inPlace(path.join(path.dirname(file), address))}', import.meta.url)`,
        ),
      }));
    },
  };
  await build({
    entryPoints: [path.join(staging, 'index.js')],
    outfile: path.join(staging, 'browser.js'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    alias: { '#runtime': inStaging('#runtime') },
    plugins: [addresses],
    logLevel: 'warning',
  });
  writeFileSync(path.join(staging, 'browser.d.ts'), "export * from './index.js';\n");
}

/** What workers of pages run, in one file, but for the glue that it imports. */
async function bundleWorker(staging) {
  const { build } = await import('esbuild');
  const file = path.join(staging, 'runtime/worker-browser.js');
  await build({
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    external: ['*/arrowquant-single.web.mjs'],
    logLevel: 'warning',
  });
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
