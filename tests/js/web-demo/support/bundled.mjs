import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { ensureNpmPackages } from '../../../../tools/setup/npm.mjs';

const inProject = (file) => fileURLToPath(new URL(`../../../../${file}`, import.meta.url));

/**
 * A module of the web demo with all that it imports, made for Node as it is made for pages; the package stays outside.
 *
 * @param {string} source from the folder of the demo's sources
 * @param {Record<string, string>} [define] what the demo's build fills in
 */
export async function importBundled(source, define = {}) {
  await ensureNpmPackages(() => undefined, 'web-demo');
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-demo-'));
  try {
    const outfile = path.join(folder, 'bundle.mjs');
    await build({
      ...{ entryPoints: [inProject(`web-demo/src/${source}`)], outfile, define },
      ...{ bundle: true, format: 'esm', platform: 'neutral', target: 'es2022', logLevel: 'silent' },
      plugins: [
        {
          name: 'the package outside',
          setup: ({ onResolve }) =>
            onResolve({ filter: /^arrowquant$/ }, () => ({
              path: pathToFileURL(inProject('build/modules/index.js')).href,
              external: true,
            })),
        },
      ],
    });
    return await import(outfile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
