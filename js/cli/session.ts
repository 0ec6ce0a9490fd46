import { constants } from 'node:os';
import { ArrowQuant, QuantizeError, type CreateOptions } from '../index.js';
import { removeUnfinished } from '../runtime/node/files.js';
import { Interrupted } from './exit.js';
import { printable } from './format.js';
import type { CommonOptions } from './options.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What a quantizer is started with, and whether to say on stderr how it has started. */
export type SessionOptions = CreateOptions & Pick<CommonOptions, 'verbose'>;

/**
 * Runs `work` with a quantizer of its own. The first signal aborts it, so that it can tidy up, and makes this reject with
 * `Interrupted`; the second one ends the process at once, as if it had never been caught.
 */
export async function withQuantizer<Result>(
  { verbose, ...options }: SessionOptions,
  work: (quantizer: ArrowQuant, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return interruptible(async (signal) => {
    const quantizer = await ArrowQuant.create(options);
    if (verbose === true) printBackend(quantizer);
    try {
      return await work(quantizer, signal);
    } finally {
      await quantizer.dispose();
    }
  });
}

/** The same without a quantizer. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const interrupt = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) endBy(name);
    else controller.abort(new Interrupted(name, 128 + constants.signals[name]));
  };
  for (const name of SIGNALS) process.on(name, interrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (error instanceof QuantizeError && error.code === 'aborted') throw error.cause;
    throw error;
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
  }
}

/** What does the work, in words, and why nothing better does; null where nothing is better. */
export function backendOf(quantizer: ArrowQuant): { readonly backend: string; readonly reason: string | null } {
  const { backend, threads, fallback: reason } = quantizer;
  const one = backend === 'workers' ? 'worker' : 'thread';
  return { backend: threads === 0 ? backend : `${backend}, ${threads} ${one}${threads === 1 ? '' : 's'}`, reason };
}

function printBackend(quantizer: ArrowQuant): void {
  const { backend, reason } = backendOf(quantizer);
  process.stderr.write(printable(`backend: ${backend}${reason === null ? '' : `, because ${reason}`}`) + '\n');
}

/** Ends the process by the signal itself: process.exit() would wait for threads, which may be waiting for it. */
function endBy(name: NodeJS.Signals): void {
  removeUnfinished();
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}
