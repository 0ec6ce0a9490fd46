import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Takes the comments (all but those of methods) out of what TypeScript has compiled: a fifth of its bytes. Its lines stay,
 * so that a stack says where it is. For declarations, which editors show the comments of, TypeScript has to keep them.
 */
export async function withoutComments(staging) {
  const { transform } = await import('esbuild');
  for (const name of readdirSync(staging, { recursive: true }).filter((one) => one.endsWith('.js'))) {
    const file = path.join(staging, name);
    const { code } = await transform(readFileSync(file, 'utf8'), { format: 'esm', target: 'es2022', charset: 'utf8' });
    writeFileSync(file, code);
  }
}
