import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** A failure to be told in one sentence, without a stack. */
export class SetupError extends Error {}

/** The program's full path, or null when it is nowhere on `PATH`. */
export function which(program, searchPath = process.env.PATH ?? '') {
  const names = process.platform === 'win32' ? [`${program}.exe`, `${program}.bat`, `${program}.cmd`] : [program];
  for (const folder of searchPath.split(path.delimiter)) {
    for (const name of names) {
      if (folder !== '' && existsSync(path.join(folder, name))) return path.join(folder, name);
    }
  }
  return null;
}

/**
 * Runs a program to its end.
 *
 * @param {string} command
 * @param {readonly string[]} parameters
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, output?: 'inherit' | 'capture'}} options 'capture' (default) collects
 *   what the program prints, 'inherit' lets it through.
 * @returns {Promise<{code: number, stdout: string, stderr: string}>} `code` is 128 + n when signal n ended it.
 */
export function run(command, parameters, { cwd, env = process.env, output = 'capture' } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'];
    const child = spawn(command, parameters, { cwd, env, stdio });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? exitCodeOf(signal), stdout, stderr }));
  });
}

/** `run`, but anything but exit code 0 throws a SetupError that begins with `what` and quotes the program. */
export async function runOrThrow(what, command, parameters, options) {
  const result = await run(command, parameters, options);
  if (result.code !== 0) {
    const words = shorten(`${result.stdout}\n${result.stderr}`.trim().split('\n'));
    throw new SetupError(
      `${what} failed (${path.basename(command)} ended with exit code ${result.code}).\n${words}`.trim(),
    );
  }
  return result.stdout;
}

/** The reason stands at the beginning or at the end, depending on the program. */
function shorten(lines) {
  const [first, last] = [20, 40];
  return (lines.length > first + last ? [...lines.slice(0, first), '…', ...lines.slice(-last)] : lines).join('\n');
}

/** Runs `main` as a program: a SetupError becomes its sentence on stderr, anything else its stack; exit code 1 for both. */
export function runMain(main) {
  main().catch((error) => {
    console.error(error instanceof SetupError ? error.message : error);
    process.exitCode = 1;
  });
}

function exitCodeOf(signal) {
  return signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 128;
}
