import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inProject } from '../lib/paths.mjs';

/**
 * Brings the TypeScript union of block type names in step with src/formats/formats.def, by asking the module that was
 * built from it. The file is in git, so that editors and type checks work before the first build.
 */
export async function writeBlockTypes(wasm, say) {
  const { default: createModule } = await import(pathToFileURL(path.join(wasm, 'arrowquant-single.node.mjs')).href);
  const module = await createModule();
  const text = blockTypesSource(module.blockFormats().map(({ name }) => name));
  const file = inProject('js/block-types.ts');
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  writeFileSync(file, text);
  say('the list of block formats has changed: js/block-types.ts is written anew');
}

function blockTypesSource(names) {
  return `/** Names of the block formats, in the order of src/formats/formats.def. Written by the build: do not edit. */
export const BLOCK_TYPES = [
${names.map((name) => `  '${name}',\n`).join('')}] as const;

export type BlockType = (typeof BLOCK_TYPES)[number];
`;
}
