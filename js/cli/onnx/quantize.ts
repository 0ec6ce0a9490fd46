import path from 'node:path';
import type { ArrowQuant, QuantizeFileOptions } from '../../index.js';
import { convertWithProgress } from '../conversion.js';
import { checkOutput } from '../dry-run.js';
import type { CommonOptions } from '../options.js';
import { printPlan } from '../plan.js';
import { withQuantizer } from '../session.js';
import { noteExternalData } from './config.js';
import { makeFolders, onnxJobs, rootOf, type AskedOnnx, type OnnxJob } from './jobs.js';

/** What `quantize` was given. */
export interface OnnxCommand {
  readonly input: string;
  readonly output: string | undefined;
  readonly options: AskedOnnx & CommonOptions & { readonly dryRun?: boolean | undefined };
  /** What all types are made with. */
  readonly shared: QuantizeFileOptions;
}

/** Makes one file for each model and type, one after the other. */
export async function quantizeOnnx(command: OnnxCommand): Promise<void> {
  const { input, output, options } = command;
  const jobs = onnxJobs(input, output, options);
  if (options.dryRun === true) {
    for (const job of jobs) await printOnnxPlan(command, job);
    return;
  }
  if (jobs.length > 1) await checkJobs(command, jobs);
  makeFolders(jobs, options);
  for (const job of jobs) {
    const files = await quantizeOne(command, job);
    const original = options.outDir === undefined ? undefined : rootOf(path.dirname(job.input));
    noteExternalData(job.output, files > 1, { folder: rootOf(path.dirname(job.output)), original });
  }
}

/** Throws what is wrong with any of the jobs, before the first file is there. */
async function checkJobs(command: OnnxCommand, jobs: readonly OnnxJob[]): Promise<void> {
  const { threads } = command.options;
  await withQuantizer({ threads }, async (quantizer: ArrowQuant, signal) => {
    for (const job of jobs) await quantizer.plan(job.input, { ...quantizationOf(command, job), signal });
  });
}

/** How many files it has become. */
async function quantizeOne(command: OnnxCommand, job: OnnxJob): Promise<number> {
  let files = 0;
  await convertWithProgress(command.options, async (quantizer, going) => {
    const report = await quantizer.quantizeFile(job.input, job.output, { ...quantizationOf(command, job), ...going });
    files = report.files.length;
    return report;
  });
  return files;
}

async function printOnnxPlan(command: OnnxCommand, job: OnnxJob): Promise<void> {
  const { threads, verbose, json } = command.options;
  const plan = await withQuantizer({ threads, verbose }, async (quantizer: ArrowQuant, signal) => {
    const made = await quantizer.plan(job.input, { ...quantizationOf(command, job), signal });
    await checkOutput(job.input, job.output, made, { signal, web: command.shared });
    return made;
  });
  printPlan(plan, { json });
}

const quantizationOf = ({ shared }: OnnxCommand, { type }: OnnxJob): QuantizeFileOptions => ({
  ...{ ...shared, type, format: 'onnx' },
});
