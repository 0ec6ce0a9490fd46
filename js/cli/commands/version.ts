import { availableParallelism, cpus } from 'node:os';
import { EMSCRIPTEN, REVISION } from '../../convert/revision.js';
import { ArrowQuant } from '../../index.js';
import { EXIT } from '../exit.js';
import { backendOf } from '../session.js';

const VERSION_OPTIONS = ['--version', '-V'];
const VERBOSE_OPTION = '--verbose';

/** Whether the command line asks for `printSurroundings`: the version, in detail, and nothing else. */
export function asksForSurroundings(parameters: readonly string[]): boolean {
  const asksForVersion = parameters.some((parameter) => VERSION_OPTIONS.includes(parameter));
  const others = parameters.filter((parameter) => !VERSION_OPTIONS.includes(parameter));
  return asksForVersion && others.length > 0 && others.every((parameter) => parameter === VERBOSE_OPTION);
}

/**
 * Prints what people who look into a report of a fault ask first: what runs here, on what, and which backend it gets. A
 * quantizer is really started for it; when it does not start, the reason is printed, and the exit code says so.
 */
export async function printSurroundings(): Promise<void> {
  const lines = [...machineLines(), ...(await backendLines())];
  const width = Math.max(...lines.map(([title]) => title.length));
  process.stdout.write(lines.map(([title, text]) => `${title.padEnd(width)}  ${text}\n`).join(''));
}

type Line = readonly [title: string, text: string];

function machineLines(): readonly Line[] {
  const usable = availableParallelism();
  const present = Math.max(usable, cpus().length);
  return [
    ['arrowquant', REVISION],
    ['Emscripten', EMSCRIPTEN],
    engineLine(),
    ['platform', `${process.platform} ${process.arch}`],
    ['cores', present > usable ? `${usable} of ${present}` : String(usable)],
    ...(process.execArgv.length > 0 ? [['flags', process.execArgv.join(' ')] as const] : []),
  ];
}

/** Deno and Bun say which Node they are like, too. */
function engineLine(): Line {
  const { bun, deno, node, v8 } = process.versions;
  if (bun !== undefined) return ['Bun', bun];
  return deno === undefined ? ['Node', `${node} (V8 ${v8})`] : ['Deno', `${deno} (V8 ${v8})`];
}

async function backendLines(): Promise<readonly Line[]> {
  try {
    const quantizer = await ArrowQuant.create();
    const { backend, reason } = backendOf(quantizer);
    await quantizer.dispose();
    return [['backend', backend], ...(reason === null ? [] : [['because', reason] as const])];
  } catch (error) {
    process.exitCode = EXIT.failed;
    return [['backend', `none: ${error instanceof Error ? error.message : String(error)}`]];
  }
}
