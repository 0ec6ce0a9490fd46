import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { inProject } from './paths.mjs';
import { run } from './run.mjs';

const folder = () => path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'arrowquant/verdicts');

/**
 * Whether a check has no objections. It does not run when it had none to the same before, in this clone or in another.
 *
 * @param {() => Promise<readonly string[] | null>} inputs all that the verdict depends on; null where that is not known
 * @param {() => Promise<boolean>} check
 */
export async function isGood(inputs, check) {
  const digest = digestOf(await inputs());
  if (digest !== null && existsSync(path.join(folder(), digest))) return true;
  if (!(await check())) return false;
  // Of a file that has changed meanwhile nobody knows what the check has read.
  if (digest !== null && digestOf(await inputs()) === digest) rememberGood(digest);
  return true;
}

function digestOf(parts) {
  if (parts === null) return null;
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}\0${part}`);
  return hash.digest('hex');
}

/** A cache that cannot be written costs time, and nothing else. */
function rememberGood(digest) {
  try {
    mkdirSync(folder(), { recursive: true });
    writeFileSync(path.join(folder(), digest), '');
  } catch {
    return;
  }
}

/**
 * What a compiler reads for one source: its command, and the names and texts of all files, the system's as well. Null
 * where it does not find them all.
 *
 * @param {{command: string, directory: string}} entry of compile_commands.json
 * @returns {Promise<string[] | null>}
 */
export async function inputsOf({ command, directory }) {
  // With an output, the list of files would go there.
  const listing = `${command.replace(/ -o \S+/, '')} -M`;
  const { code, stdout } = await run('sh', ['-c', listing], { cwd: directory });
  if (code !== 0) return null;
  const files = filesOfRule(stdout).map((file) => path.resolve(directory, file));
  if (!files.every((file) => existsSync(file))) return null;
  const named = (text) => text.replaceAll(inProject(), '.');
  return [named(command), ...files.flatMap((file) => [named(file), readFileSync(file, 'utf8')])];
}

/** The prerequisites of a rule as compilers write it for make. */
function filesOfRule(rule) {
  const words = rule.slice(rule.indexOf(': ') + 1).replace(/\\\r?\n/g, ' ');
  const names = words.match(/(?:\\.|\S)+/g) ?? [];
  return names.map((name) => name.replace(/\\([ #])/g, '$1').replaceAll('$$', '$'));
}
