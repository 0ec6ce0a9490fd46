import { Command } from 'commander';
import type { FileComparison, TensorComparison } from '../../index.js';
import { EXIT } from '../exit.js';
import { formatCosine, formatError, formatJson, formatShape, printable } from '../format.js';
import { jsonOption, threadsOption, verboseOption, type CommonOptions } from '../options.js';
import { headerOption, parseInput, webOptions } from '../servers.js';
import { withQuantizer } from '../session.js';
import { outputWidth, renderTable, type Column } from '../table.js';

const COLUMNS: readonly Column[] = [
  { title: 'tensor', align: 'left' },
  { title: 'shape', align: 'left' },
  { title: 'A', align: 'left' },
  { title: 'B', align: 'left' },
  { title: 'RMSE', align: 'right' },
  { title: 'relative', align: 'right' },
  { title: 'cosine', align: 'right' },
  { title: 'largest', align: 'right' },
];

const EXAMPLES = `
Quantized tensors are compared by what they are restored to. RMSE is the root of the mean squared difference, "relative"
that over the root of A's mean square, "largest" the largest difference; "equal" stands for no difference at all.

Examples:
  $ arrowquant compare model.safetensors model-int4.safetensors
  $ arrowquant compare ./Qwen3-0.6B Qwen3-0.6B-Q4_K_M.gguf`;

export function compareCommand(): Command {
  return new Command('compare')
    .description('Compare two model files tensor by tensor.')
    .argument('<a>', 'model file, its URL, a folder, or hf:organization/model', parseInput)
    .argument('<b>', 'the other one', parseInput)
    .addOption(threadsOption())
    .addOption(headerOption())
    .addOption(jsonOption())
    .addOption(verboseOption())
    .addHelpText('after', EXAMPLES)
    .action(compare);
}

async function compare(a: string, b: string, options: CommonOptions): Promise<void> {
  const { threads, json, verbose } = options;
  const web = await webOptions([a, b], options);
  const comparison = await withQuantizer({ threads, verbose }, (quantizer, signal) =>
    quantizer.compareFiles(a, b, { ...web, signal }),
  );
  process.stdout.write(`${json === true ? formatJson(comparison) : render(comparison)}\n`);
  const { reshaped, onlyInA, onlyInB } = comparison;
  if (reshaped.length + onlyInA.length + onlyInB.length > 0) process.exitCode = EXIT.different;
}

function render({ tensors, reshaped, onlyInA, onlyInB }: FileComparison): string {
  const equal = tensors.filter((tensor) => tensor.equal).length;
  return [
    renderTable(COLUMNS, tensors.map(rowOf), outputWidth()),
    '',
    ...reshaped.map(({ name, a, b }) => `shapes differ: ${printable(name)}: ${formatShape(a)}, ${formatShape(b)}`),
    ...onlyInA.map((name) => `only in A: ${printable(name)}`),
    ...onlyInB.map((name) => `only in B: ${printable(name)}`),
    `${tensors.length} tensors compared, ${equal} of them equal`,
  ].join('\n');
}

function rowOf({ name, shape, a, b, equal, rmse, relativeRmse, cosine, maxError }: TensorComparison): string[] {
  const measured = equal
    ? ['equal', '', '', '']
    : [formatError(rmse), formatError(relativeRmse), formatCosine(cosine), formatError(maxError)];
  return [name, formatShape(shape), a, b, ...measured];
}
