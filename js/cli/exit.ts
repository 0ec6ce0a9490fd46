import { CommanderError } from 'commander';
import { QuantizeError } from '../index.js';
import { printable } from './format.js';

/** What the command's exit codes mean; `--help` says so too. */
export const EXIT = {
  ok: 0,
  failed: 1,
  /** As for a check that fails, which programs that run tests expect to be 1. */
  belowMinCosine: 1,
  usage: 2,
  different: 3,
  /** As numbers of parts come with `failed`, a script that starts tasks for them needs to know that there are none. */
  nothingToRerun: 3,
} as const;

export const EXIT_CODES_HELP = `
Exit codes:
  0    done
  1    a file could not be read, converted or written, the reason is on stderr
       compare: a tensor is below --min-cosine; verify: parts are to be written again
  2    the command line is wrong
  3    compare: the files do not have the same tensors
       verify: something is wrong, but there is no number to run again, the reason is on stderr
  130  interrupted by Ctrl-C (128 and the number of the signal for other signals)
After any but 0 and 3 the output is as it was before, unless it was only the report that could not be printed.`;

/** The command was stopped by a signal. */
export class Interrupted extends Error {
  readonly exitCode: number;
  /** What has become of the work. */
  outcome = 'nothing was written';

  constructor(signal: string, exitCode: number) {
    super(`interrupted by ${signal}`);
    this.exitCode = exitCode;
  }
}

/** Says on stderr what went wrong, in one sentence, and returns the exit code. */
export function reportFailure(error: unknown): number {
  // Commander has printed its message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof Interrupted) {
    process.stderr.write(`${error.message}; ${error.outcome}\n`);
    return error.exitCode;
  }
  process.stderr.write(`error: ${printable(error instanceof Error ? error.message : String(error))}\n`);
  const usage = error instanceof QuantizeError && ['invalid_option', 'invalid_bit_width'].includes(error.code);
  return usage ? EXIT.usage : EXIT.failed;
}
