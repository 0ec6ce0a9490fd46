import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const kCommand = fileURLToPath(new URL('../../../../dist/cli/main.js', import.meta.url));
const kPatience = 120_000;

/** Starts `arrowquant` with these arguments; `ended` resolves to what it printed and how it ended. */
export function startCommand(parameters, { cwd, env, nodeFlags = [], wrapper = [] } = {}) {
  const [program, ...rest] = [...wrapper, process.execPath, ...nodeFlags, kCommand, ...parameters];
  const child = spawn(program, rest, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: kPatience });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (output.stdout += data));
  child.stderr.on('data', (data) => (output.stderr += data));
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  return { child, output, ended };
}

export const runCommand = (parameters, options) => startCommand(parameters, options).ended;
