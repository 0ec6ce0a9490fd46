import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { SetupError } from '../lib/run.mjs';

const kPackage = '@huggingface/hub';

/**
 * Writes `hub.js`: what the package uses of `@huggingface/hub`, for browsers, which that package's own `exports` do not lead
 * to. Bundlers and pages without one find it through the name `#hub`.
 */
export async function bundleHub(staging) {
  const { build } = await import('esbuild');
  const folder = inProject('node_modules', kPackage);
  const { browser, exports } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const entry = browser?.[exports['.'].import];
  if (typeof entry !== 'string') throw new SetupError(`${kPackage} names no module for browsers. Adapt tools/build/hub.mjs.`);
  const license = readFileSync(path.join(folder, 'LICENSE'), 'utf8').trim();
  await build({
    stdin: {
      contents: `export { listFiles, modelInfo } from ${JSON.stringify(path.join(folder, entry))};`,
      resolveDir: folder,
    },
    outfile: path.join(staging, 'hub.js'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    // Bundles that have it inside keep comments of this kind.
    banner: { js: `/*! ${kPackage}\n\n${license.replaceAll('*/', '* /')}\n*/` },
    logLevel: 'warning',
  });
}
