import { Command, Option } from 'commander';
import { verifyFiles, type PartsReport } from '../../convert/parts/verify.js';
import { nodeFiles } from '../../runtime/node/files.js';
import { EXIT, reportFailure } from '../exit.js';
import { formatBytes, formatJson, printable } from '../format.js';
import { parsePath, quietOption } from '../options.js';
import { interruptible } from '../session.js';

const EXAMPLES = `
Prints the numbers of the parts that are to be written again, such as 2,5, to stdout, and why to stderr; nothing to stdout
when the output is whole. Exits 0 when it is, 1 when it has printed numbers, and 3 when something is wrong that has none:
no part is there at all, or manifests of another output are to be deleted.

Examples:
  $ arrowquant verify model-Q4_K_M.gguf
  $ missing=$(arrowquant verify model-Q4_K_M.gguf) || { [ -n "$missing" ] && sbatch --array="$missing" quantize.sh; }
      the missing ones once more, with Slurm
  $ arrowquant verify model-mlx --remove-manifests
      a folder; when it is whole, without the files that the parts have written about themselves`;

interface VerifyCommandOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly removeManifests?: boolean;
}

export function verifyCommand(): Command {
  return new Command('verify')
    .description('Check that all parts that quantize --part has written are there, right, and belong together.')
    .argument('<out>', 'the output, as it was given to quantize, or one of its files', parsePath)
    .option('--remove-manifests', 'when it is whole, delete the .part.json files')
    .addOption(new Option('--json', 'print what was found as JSON to stdout').conflicts('quiet'))
    .addOption(quietOption())
    .addHelpText('after', EXAMPLES)
    .action(async (output: string, { json, quiet, removeManifests = false }: VerifyCommandOptions) => {
      try {
        const report = await interruptible((signal) => verifyFiles(nodeFiles, output, { removeManifests, signal }));
        if (json === true) process.stdout.write(`${formatJson(report)}\n`);
        else print(report, quiet === true);
        if (!report.whole) process.exitCode = report.rerun.length > 0 ? EXIT.failed : EXIT.nothingToRerun;
      } catch (error) {
        const code = reportFailure(error);
        process.exitCode = code === EXIT.failed ? EXIT.nothingToRerun : code;
      }
    });
}

function print({ output, whole, parts, rerun, problems, bytes }: PartsReport, quiet: boolean): void {
  for (const { part, kind, detail } of problems) {
    const which = part === null ? kind : `part ${part} is ${kind}`;
    process.stderr.write(`${printable(`${which}: ${detail}`)}\n`);
  }
  if (rerun.length > 0) process.stdout.write(`${rerun.join(',')}\n`);
  if (quiet || !whole) return;
  process.stderr.write(
    `${printable(output)} is whole: ${parts === 1 ? 'one part' : `${parts} parts`}, ${formatBytes(bytes)}\n`,
  );
}
