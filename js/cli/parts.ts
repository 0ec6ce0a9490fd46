/** Outputs that several tasks write together: which part is this one's. */

import { InvalidArgumentError, Option } from 'commander';
import { containerFor } from '../containers/registry.js';
import { isFolderFormat } from '../formats/names.js';
import { QuantizeError, type FilePlan } from '../index.js';
import { formatJson } from './format.js';

/** What `quantize` is told of parts, as commander gives it. */
export interface PartOptions {
  readonly part?: number | 'auto' | undefined;
  readonly parts?: boolean | undefined;
}

/** Where schedulers say which task of an array this is. */
const SLURM = 'SLURM_ARRAY_TASK_ID';
const KUBERNETES = 'JOB_COMPLETION_INDEX';

export const partOptions = (): Option[] => [
  new Option(
    '--part <n>',
    `write part n of the output alone; auto: the one of ${SLURM}, or, counted from 0, of ${KUBERNETES}`,
  )
    .argParser(parsePart)
    .conflicts(['dryRun', 'parts']),
  new Option('--parts', 'print how many parts the output has, and write nothing').conflicts(['dryRun', 'quiet']),
];

function parsePart(text: string): number | 'auto' {
  if (text === 'auto') return text;
  if (/^\d{1,9}$/u.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 on, or auto.');
}

/** The part that a task is to write; undefined for all of them. Throws `invalid_option` for `auto` outside of a task. */
export function askedPart({ part }: PartOptions, environment: NodeJS.ProcessEnv): number | undefined {
  if (part !== 'auto') return part;
  const slurm = environment[SLURM] ?? '';
  if (slurm !== '') return indexIn(SLURM, slurm, 1);
  const kubernetes = environment[KUBERNETES] ?? '';
  if (kubernetes !== '') return indexIn(KUBERNETES, kubernetes, 0) + 1;
  throw refused(`--part auto needs ${SLURM} or ${KUBERNETES}, and neither is set; give a number`);
}

function indexIn(name: string, text: string, least: number): number {
  if (/^\d{1,9}$/u.test(text) && Number(text) >= least) return Number(text);
  const advice = least === 1 ? '; parts count from 1 on, as in --array=1-7' : '';
  throw refused(`${name} is ${JSON.stringify(text)}, it must be a whole number from ${least} on${advice}`);
}

const refused = (detail: string): QuantizeError => new QuantizeError('invalid_option', { detail });

/** Prints how many parts there are; as JSON also what they are. */
export function printParts(
  { output: { parts, bytes, files, names }, tensors }: FilePlan,
  output: string,
  { json, format }: { readonly json?: boolean | undefined; readonly format?: string | undefined },
): void {
  const all = parts ?? [{ files, bytes, tensors: tensors.map(({ outputName }) => outputName) }];
  if (json !== true) {
    process.stdout.write(`${all.length}\n`);
    return;
  }
  // Of all files: an index is among them, and comes last.
  const isSplit = all.length > 1 && !isFolderFormat(format ?? '');
  const firsts = names ?? (isSplit ? containerFor(output).partNames(output, files) : [output]);
  const described = all.map((one, index) => ({ part: index + 1, file: firsts[index], ...one }));
  process.stdout.write(`${formatJson({ output, parts: described })}\n`);
}
