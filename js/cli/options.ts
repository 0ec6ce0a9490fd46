import { InvalidArgumentError, Option } from 'commander';

/** Options that several commands have. */
export interface CommonOptions {
  readonly threads?: number | undefined;
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
}

const MOST_THREADS = 64;

export const threadsOption = (): Option =>
  new Option('--threads <n>', 'worker threads (default: one a processor, 8 at most)').argParser(parseThreads);

export const jsonOption = (): Option =>
  new Option('--json', 'print the report as JSON to stdout, and nothing else').conflicts('quiet');

export const quietOption = (): Option => new Option('--quiet', 'print nothing but errors');

function parseThreads(text: string): number {
  const threads = Number(text);
  if (/^\d+$/u.test(text) && threads >= 1 && threads <= MOST_THREADS) return threads;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MOST_THREADS}.`);
}

/** `model.safetensors` and `model.safetensors.index.json` with another ending. */
export const siblingName = (input: string, ending: string): string =>
  `${input.replace(/\.safetensors(\.index\.json)?$/iu, '')}${ending}`;
