/** The options of calls that work on files, with every default filled in. */

import { choice, flag, invalidOption } from '../checks.js';
import type { GivenConversionOptions } from '../convert/convert-file.js';
import type { ConvertFileOptions, ReadTensorOptions } from '../convert/options.js';
import { headerPairs, type WebOptions } from '../endpoints.js';
import { QuantizeError } from '../errors.js';
import { readSignal } from './batch.js';
import { CONVERT_OPTIONS, READ_TENSOR_OPTIONS, WEB_OPTIONS, pickOptions, readOptions } from './names.js';
import { readBytes } from './numbers.js';

const DURABLE = { full: true, none: false } as const;
const LEAST_MEMORY_BYTES = 16 * 2 ** 20;

/** What all calls on files have in common: a signal that is one, and callbacks that are functions. */
export function readFileOptions(options: ConvertFileOptions | null | undefined): GivenConversionOptions {
  const given = pickOptions(options, CONVERT_OPTIONS);
  const resume = flag('resume', given.resume);
  const durable = choice<boolean>('durability', given.durability, DURABLE) ?? true;
  if (resume && !durable) {
    const detail =
      'durability must be "full" with resume, which goes on with what is on the disk; leave one of them out';
    throw new QuantizeError('invalid_option', { detail });
  }
  return {
    signal: readSignal(given.signal),
    progress: callback('progress', given.progress),
    onTensor: callback('onTensor', given.onTensor),
    onEvent: callback('onEvent', given.onEvent),
    ...{ resume, durable },
    memoryLimit: readBytes('memoryLimit', given.memoryLimit, LEAST_MEMORY_BYTES) ?? Infinity,
  };
}

/** Those about servers. Headers are copied: the caller's may change, or can be read once only. */
export function readWebOptions(options: ConvertFileOptions | null | undefined): WebOptions {
  const given = pickOptions<WebOptions>(options, WEB_OPTIONS);
  if (given.headers === undefined) return given;
  const pairs = headerPairs(given.headers).map((pair: unknown) =>
    Array.isArray(pair) ? [...(pair as unknown[])] : pair,
  );
  return { ...given, headers: pairs as readonly (readonly [string, string])[] };
}

/** The name of a tensor. */
export function readName(name: unknown): string {
  if (typeof name === 'string') return name;
  throw invalidOption('name', name, 'the name of a tensor, a string');
}

/** An element range of a tensor. `end` undefined: to the last one. */
export function readRange(options: ReadTensorOptions | null | undefined): {
  readonly begin: number;
  readonly end: number | undefined;
} {
  const { begin = 0, end } = readOptions(options, READ_TENSOR_OPTIONS);
  return { begin: readIndex('begin', begin), end: end === undefined ? undefined : readIndex('end', end) };
}

function readIndex(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidOption(name, value, 'a whole number from 0 on');
}

function callback<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'function') return value;
  throw invalidOption(name, value, 'a function');
}
