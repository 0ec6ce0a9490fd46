import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inProject } from '../lib/paths.mjs';

const kCodecTable = 'js/codecs/table.ts';
const kJobWords = 'js/wasm/job-words.ts';

/**
 * Brings what TypeScript knows of the codecs and of the module's records in step with src/, by asking the module that was
 * built from it. The files are in git, so that editors and type checks work before the first build.
 */
export async function writeTables(wasm, say) {
  const { default: createModule } = await import(pathToFileURL(path.join(wasm, 'arrowquant-single.js')).href);
  const compiled = await WebAssembly.compile(readFileSync(path.join(wasm, 'arrowquant-single.wasm')));
  const module = await createModule({
    instantiateWasm(imports, receive) {
      void WebAssembly.instantiate(compiled, imports).then((instance) => receive(instance, compiled));
      return {};
    },
  });
  const tables = [
    [kCodecTable, codecTableSource(module.codecs(), module.statuses())],
    [kJobWords, jobWordsSource(module.jobWords())],
  ];
  for (const [name, source] of tables) {
    const file = inProject(name);
    const text = await formatted(file, source);
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
    writeFileSync(file, text);
    say(`${name} is written anew: what it tells of src/ has changed`);
  }
}

/** Laid out as `npm run format` would do it. */
async function formatted(file, source) {
  // Not before it is needed: on a bare machine the npm dependencies come with the build.
  const { format, resolveConfig } = await import('prettier');
  return format(source, { ...(await resolveConfig(file)), filepath: file });
}

const literal = (value) => JSON.stringify(value);

const union = (codecs) => codecs.map(({ name }) => literal(name)).join(' | ');

const isBlock = ({ ggmlType, blockWeights }) => ggmlType !== null && blockWeights > 1;

/** What most codecs have in common, so that it need not be said of each. */
function usualFields(codecs) {
  const usual = Object.keys(codecs[0]).flatMap((key) => {
    const values = codecs.map((codec) => literal(codec[key]));
    const most = values.find((value) => values.filter((one) => one === value).length > values.length / 2);
    return most === undefined ? [] : [[key, JSON.parse(most)]];
  });
  return Object.fromEntries(usual);
}

function codecTableSource(codecs, statuses) {
  const usual = usualFields(codecs);
  const own = (codec) => Object.entries(codec).filter(([key, value]) => literal(value) !== literal(usual[key]));
  const entry = (codec) => `{ ...USUAL, ${literal(Object.fromEntries(own(codec))).slice(1)}`;
  return `/** The codecs, in the order of src/codecs/codecs.def. Written by the build: do not edit. */

import type { CodecTraits } from './codec.js';

/** What weights are stored as. */
export type CodecName = ${union(codecs)};

/** What a rule can make of one tensor: a codec that has no parameters. */
export type TensorType = ${union(codecs.filter(({ encodes, foreign, bits }) => encodes && !foreign && bits.length === 0))};

/** What each codec has where its own line does not say otherwise. */
const USUAL = ${literal(usual)} as const;

export const CODECS: readonly (CodecTraits & { readonly name: CodecName })[] = [${codecs.map(entry).join(',')}];

/** Names of ggml's block codecs. */
export const BLOCK_TYPES = ${literal(codecs.filter(isBlock).map(({ name }) => name))} as const;

export type BlockType = (typeof BLOCK_TYPES)[number];

/** What a whole GGUF file can be, as llama.cpp names it. */
export const FILE_TYPES = ${literal(codecs.flatMap(({ fileTypes }) => fileTypes.map(({ name }) => name)))} as const;

/** What a status of src/base/status.h is called, by its number. */
export const STATUSES = ${literal(statuses)} as const;
`;
}

function jobWordsSource({ verbs, job, operand, outcome }) {
  return `/** Where the words of jobs lie, as src/bindings/job_words.def has it. Written by the build: do not edit. */
export const JOB_WORDS = ${literal(job)} as const;

/** From \`source\` or \`target\` of a job on. */
export const OPERAND_WORDS = ${literal(operand)} as const;

export const OUTCOME_WORDS = ${literal(outcome)} as const;

/** What a job's word \`verb\` can be. */
export const VERBS = ${literal(verbs)} as const;
`;
}
