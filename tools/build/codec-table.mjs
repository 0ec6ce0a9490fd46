import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { inProject } from '../lib/paths.mjs';

/**
 * Brings what TypeScript knows of the codecs in step with src/codecs/codecs.def, by asking the module that was built from
 * it. The file is in git, so that editors and type checks work before the first build.
 */
export async function writeCodecTable(wasm, say) {
  const { default: createModule } = await import(pathToFileURL(path.join(wasm, 'arrowquant-single.node.mjs')).href);
  const module = await createModule();
  const file = inProject('js/codecs/table.ts');
  const text = await codecTableSource(module.codecs(), module.statuses());
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  writeFileSync(file, text);
  say('the list of codecs has changed: js/codecs/table.ts is written anew');
}

/** Laid out as `npm run format` would do it. */
export async function codecTableSource(codecs, statuses) {
  const file = inProject('js/codecs/table.ts');
  const source = `/** The codecs, in the order of src/codecs/codecs.def. Written by the build: do not edit. */
export const CODECS = [${codecs.map((codec) => literal(codec)).join(',')}] as const;

/** Names of ggml's block codecs. */
export const BLOCK_TYPES = ${literal(codecs.filter(isBlock).map(({ name }) => name))} as const;

export type BlockType = (typeof BLOCK_TYPES)[number];

/** What a whole GGUF file can be, as llama.cpp names it. */
export const FILE_TYPES = ${literal(codecs.flatMap(({ fileTypes }) => fileTypes.map(({ name }) => name)))} as const;

/** What a status of src/base/status.h is called, by its number. */
export const STATUSES = ${literal(statuses)} as const;
`;
  return format(source, { ...(await resolveConfig(file)), filepath: file });
}

const isBlock = ({ ggmlType, blockWeights }) => ggmlType !== null && blockWeights > 1;

const literal = (value) => JSON.stringify(value);
