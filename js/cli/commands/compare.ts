import { Command, InvalidArgumentError, Option } from 'commander';
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

With --min-cosine the exit code is 1 when a tensor has a lower cosine than that, or none and is not equal, whatever else differs.

Examples:
  $ arrowquant compare model.safetensors model-int4.safetensors
  $ arrowquant compare model.safetensors model-int4.safetensors --min-cosine 0.95
  $ arrowquant compare ./Qwen3-0.6B Qwen3-0.6B-Q4_K_M.gguf`;

export function compareCommand(): Command {
  return new Command('compare')
    .description('Compare two model files tensor by tensor.')
    .argument('<a>', 'model file, its URL, a folder, or hf:organization/model', parseInput)
    .argument('<b>', 'the other one', parseInput)
    .addOption(
      new Option('--min-cosine <cosine>', 'fail when a tensor is less accurate than that, from 0 to 1').argParser(
        parseCosine,
      ),
    )
    .addOption(threadsOption())
    .addOption(headerOption())
    .addOption(jsonOption())
    .addOption(verboseOption())
    .addHelpText('after', EXAMPLES)
    .action(compare);
}

interface CompareOptions extends CommonOptions {
  readonly minCosine?: number | undefined;
}

function parseCosine(text: string): number {
  const cosine = Number(text);
  if (/^\d*\.?\d+$/u.test(text) && cosine <= 1) return cosine;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}

async function compare(a: string, b: string, options: CompareOptions): Promise<void> {
  const { threads, json, verbose, minCosine } = options;
  const web = await webOptions([a, b], options);
  const comparison = await withQuantizer({ threads, verbose }, (quantizer, signal) =>
    quantizer.compareFiles(a, b, { ...web, signal }),
  );
  const check = minCosine === undefined ? {} : { minCosine, below: belowOf(comparison, minCosine) };
  process.stdout.write(`${json === true ? formatJson({ ...comparison, ...check }) : render(comparison)}\n`);
  const { reshaped, onlyInA, onlyInB } = comparison;
  if (reshaped.length + onlyInA.length + onlyInB.length > 0) process.exitCode = EXIT.different;
  if (check.below === undefined || check.below.length === 0) return;
  process.stderr.write(`${belowText(check.below, comparison, check.minCosine)}\n`);
  process.exitCode = EXIT.belowMinCosine;
}

/** Names of the tensors that are less accurate, the worst first; what differs and has no cosine comes before all. */
function belowOf({ tensors }: FileComparison, minCosine: number): readonly string[] {
  const rank = ({ cosine }: TensorComparison): number => cosine ?? -2;
  const below = tensors.filter((tensor) => !tensor.equal && rank(tensor) < minCosine);
  return below.sort((one, other) => rank(one) - rank(other)).map(({ name }) => name);
}

/** Tensors that stderr names. */
const MOST_NAMED = 10;

function belowText(below: readonly string[], { tensors }: FileComparison, minCosine: number): string {
  const cosines = new Map(tensors.map(({ name, cosine }) => [name, cosine]));
  const lines = below.slice(0, MOST_NAMED).map((name) => {
    const cosine = cosines.get(name) ?? null;
    return `below ${minCosine}: ${printable(name)}: ${cosine === null ? 'differs, and has no cosine' : formatBelow(cosine)}`;
  });
  const more = below.length > MOST_NAMED ? [`and ${below.length - MOST_NAMED} more`] : [];
  return [...lines, ...more].join('\n');
}

/** Rounded down: it must not look as if it were enough. */
const formatBelow = (cosine: number): string => String(Math.floor(cosine * 1e6) / 1e6);

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
