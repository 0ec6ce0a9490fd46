import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Makes what TypeScript has compiled as small as it can be: the package holds every module, and it is downloaded whole. For
 * declarations, which editors show the comments of, TypeScript has to keep them.
 */
export async function minifyModules(staging, names) {
  const { transform } = await import('esbuild');
  for (const name of names) {
    const file = path.join(staging, name);
    // What only bundles need is gone by now.
    if (!existsSync(file)) continue;
    const options = { format: 'esm', target: 'es2022', charset: 'utf8', minify: true };
    const { code } = await transform(readFileSync(file, 'utf8'), options);
    writeFileSync(file, code);
  }
}
