import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SILENCE_LIMIT = 50_000;

/**
 * Runs a script of tests/js/fixtures in a Node process of its own, which has to end by itself.
 * Resolves to what it wrote and how it ended; `signal` is set when it had to be killed.
 */
export function runFixture(name, { args = [], nodeFlags = [] } = {}) {
  const script = fixturePath(name);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeFlags, script, ...args], { timeout: SILENCE_LIMIT });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout: stdout.trim(), stderr: stderr.trim() }));
  });
}

export const fixtureUrl = (name) => new URL(`../fixtures/${name}`, import.meta.url).href;
export const fixturePath = (name) => fileURLToPath(fixtureUrl(name));
