#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { compareCommand } from './commands/compare.js';
import { dequantizeCommand } from './commands/dequantize.js';
import { EXIT_CODES_HELP, reportFailure } from './exit.js';
import { inspectCommand } from './commands/inspect.js';
import { quantizeCommand } from './commands/quantize.js';
import { verifyCommand } from './commands/verify.js';
import { asksForSurroundings, printSurroundings } from './commands/version.js';

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version: found } = JSON.parse(text) as { readonly version: string };
  return found;
}

async function main(): Promise<void> {
  if (asksForSurroundings(process.argv.slice(2))) return printSurroundings();
  const program = new Command('arrowquant')
    .description(
      'Quantizes the weights of neural networks. Files are streamed: a model of any size takes the same memory.',
    )
    .version(
      version(),
      '-V, --version',
      'print the version; with --verbose also what it runs on, and with which backend',
    )
    .addHelpText('after', EXIT_CODES_HELP)
    .showHelpAfterError('(add --help for what is possible)');
  const commands = [quantizeCommand(), dequantizeCommand(), inspectCommand(), compareCommand(), verifyCommand()];
  for (const command of commands) {
    program.addCommand(command.copyInheritedSettings(program));
  }
  for (const command of [program, ...program.commands]) command.exitOverride();
  await program.parseAsync();
}

// Whoever reads the output may stop early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.exitCode = reportFailure(new Error(`the report cannot be printed: ${error.message}`));
});
// Progress that nobody can read is no reason to end the work.
process.stderr.on('error', () => undefined);

try {
  await main();
} catch (error) {
  process.exitCode = reportFailure(error);
}
