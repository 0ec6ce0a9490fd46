import { shardName } from '../containers/gguf/shards.js';
import { containerFor, openModel } from '../containers/registry.js';
import { QuantizeError, type FilePlan } from '../index.js';
import { writeFailure } from '../runtime/failures.js';
import { checkTarget } from '../runtime/node/target.js';
import { runtime } from '../runtime/node.js';

/** Refuses an output that the conversion would refuse: a plan is made without one. */
export async function checkOutput(input: string, output: string, plan: FilePlan, signal: AbortSignal): Promise<void> {
  checkName(output, plan);
  const model = await openModel(await runtime.files.openSource(input, signal));
  try {
    for (const name of namesOf(output, plan.output.files)) await checkTarget(name, 0, model.sources);
  } catch (error) {
    throw writeFailure(output, error);
  } finally {
    await model.close();
  }
}

function checkName(output: string, { type, output: { container } }: FilePlan): void {
  if (containerFor(output).name === container) return;
  const detail = `${type} makes a file whose name ends with .${container}, but the output is ${output}`;
  throw new QuantizeError('invalid_option', { detail });
}

function namesOf(output: string, files: number): readonly string[] {
  if (files === 1) return [output];
  const stem = output.replace(/\.gguf$/iu, '');
  return Array.from({ length: files }, (_, index) => shardName(stem, index, files));
}
