import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError, Option } from 'commander';
import { fileNameOf } from '../addresses.js';
import { isHubText } from '../endpoints.js';
import { hubAddress } from '../runtime/hub/address.js';
import { TENSOR_TYPES, type TypeRule } from '../index.js';
import type { ServerOptions } from './servers.js';

/** Options that several commands have. */
export interface CommonOptions extends ServerOptions {
  readonly threads?: number | undefined;
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly verbose?: boolean | undefined;
  readonly resume?: boolean | undefined;
  /** Whether to wait until the output is on the disk; false with `--no-sync`. */
  readonly sync?: boolean | undefined;
  readonly memoryLimit?: number | undefined;
}

const MOST_THREADS = 64;

export const threadsOption = (): Option =>
  new Option('--threads <n>', 'worker threads (default: one for each core)').argParser(parseThreads);

export const jsonOption = (): Option =>
  new Option('--json', 'print the report as JSON to stdout, and nothing else').conflicts('quiet');

export const quietOption = (): Option => new Option('--quiet', 'print nothing but warnings and errors');

export const verboseOption = (): Option =>
  new Option('--verbose', 'print to stderr which backend does the work, and why no better one').conflicts('quiet');

export const resumeOption = (): Option =>
  new Option('--resume', 'go on where the same command was interrupted, at the last whole tensor');

export const noSyncOption = (): Option =>
  new Option('--no-sync', 'do not wait until the output is on the disk, as cp does not').conflicts('resume');

/** What `--no-sync` asks for. */
export const durabilityOf = ({ sync }: Pick<CommonOptions, 'sync'>): 'full' | 'none' =>
  sync === false ? 'none' : 'full';

export const memoryLimitOption = (): Option =>
  new Option('--memory-limit <size>', 'most memory for tensors on their way, from 16MiB (default: 36MiB)').argParser(
    parseSize,
  );

/** Shells make an empty argument of a variable that is not set. */
export function parsePath(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It is empty; it must be a path or a URL.');
}

function parseThreads(text: string): number {
  const threads = Number(text);
  if (/^\d+$/u.test(text) && threads >= 1 && threads <= MOST_THREADS) return threads;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MOST_THREADS}.`);
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  ...{ '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, K: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40 },
};

/** `512MB`, `1.5 GiB`, `1000000`: bytes. */
export function parseSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/iu.exec(text.trim()) ?? [];
  const factor = SIZE_UNITS[unit.toUpperCase()];
  const bytes = Math.round(Number(number) * (factor ?? 0));
  if (number !== '' && factor !== undefined && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new InvalidArgumentError('It must be a size such as 512MB or 2GiB.');
}

/** The name in `names` that `text` is but for the case of its letters, else `text` in capitals. */
export const upperCase = (names: readonly string[], text: string): string =>
  names.find((name) => name === text.toUpperCase()) ?? text.toUpperCase();

/** One more `regex=type` for the list, or `=name=type`; the type, `keep`, `drop` or `quantize` is what follows the last `=`. */
export function collectRule(text: string, earlier: readonly TypeRule[] | undefined): readonly TypeRule[] {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError("It must be a pattern and a type, such as 'attn_v=Q8_0'.");
  const named = text.slice(at + 1);
  const outcomes = [...TENSOR_TYPES, 'keep', 'drop', 'quantize'] as const;
  const type = outcomes.find((one) => one.toLowerCase() === named.toLowerCase());
  if (type === undefined) {
    throw new InvalidArgumentError(
      `${JSON.stringify(named)} is no type; there are ${TENSOR_TYPES.join(', ')}, keep, drop and quantize.`,
    );
  }
  const pattern = text.slice(0, at);
  if (pattern.startsWith('=')) return [...(earlier ?? []), [pattern, type]];
  try {
    return [...(earlier ?? []), [new RegExp(pattern, 'u'), type]];
  } catch {
    throw new InvalidArgumentError(`${JSON.stringify(pattern)} is no regular expression.`);
  }
}

/**
 * The name of a model file, or folder, with another ending in place of its own; that of a URL's, and of a folder that is named
 * by where one is, lies in the current folder.
 */
export const siblingName = (input: string, ending: string): string =>
  `${localName(input).replace(/(-\d{5}-of-\d{5})?\.((safetensors|bin)(\.index\.json)?|gguf|onnx|arrows?|feather|ckpt|pth?)$/iu, '')}${ending}`;

function localName(input: string): string {
  if (isHubText(input)) {
    const { model, path: file } = hubAddress(input);
    return (file === '' ? model : file).replace(/^.*\//su, '');
  }
  if (/^https?:/iu.test(input) && URL.canParse(input)) return fileNameOf(new URL(input));
  if (/^file:/iu.test(input) && URL.canParse(input)) return localName(fileURLToPath(input));
  const place = input.replace(/(?<=[^/\\:])[/\\]+$/u, '');
  return ['.', '..'].includes(path.basename(place)) ? path.basename(path.resolve(place)) : place;
}
