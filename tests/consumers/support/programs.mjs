import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** A program that takes longer has got stuck. */
const kLimit = 60_000;

/**
 * Runs a script of this folder in a process of its own, and resolves to the JSON that it prints.
 *
 * @param {string} script its name
 * @param {readonly string[]} parameters
 * @param {unknown} [input] JSON for its standard input
 */
export async function runScript(script, parameters, input) {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [file, ...parameters], { timeout: kLimit, killSignal: 'SIGKILL' });
  child.stdin.end(JSON.stringify(input ?? null));
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  const [output, complaints, end] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (end !== 0) throw new Error(`${script} ended with ${end}\n${complaints}`);
  return JSON.parse(output);
}
