import { containerFor } from '../containers/registry.js';
import type { FilePlan, WebOptions } from '../index.js';
import { writeFailure } from '../runtime/failures.js';
import { checkFolder } from '../runtime/node/folder-sink.js';
import { checkTarget } from '../runtime/node/target.js';
import { openModel } from '../models/model.js';
import { nodeFiles } from '../runtime/node/files.js';

/** Refuses a place that the conversion would refuse: a plan is made without one. */
export async function checkOutput(
  input: string,
  output: string,
  plan: FilePlan,
  { signal, web }: { readonly signal: AbortSignal; readonly web: WebOptions },
): Promise<void> {
  const model = await openModel(await nodeFiles.openSource(input, signal, web), signal);
  try {
    const { names, files } = plan.output;
    if (names !== undefined) await checkFolder(output, names, model.sources);
    else for (const name of namesOf(output, files, plan)) await checkTarget(name, 0, model.sources);
  } catch (error) {
    throw writeFailure(output, error);
  } finally {
    await model.close();
  }
}

function namesOf(output: string, files: number, { output: { container } }: FilePlan): readonly string[] {
  if (files === 1) return [output];
  return container === 'onnx' ? [output, `${output}_data`] : containerFor(output).partNames(output, files);
}
