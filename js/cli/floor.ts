/** Options of `quantize` that types follow from: an accuracy floor, a size. */

import { InvalidArgumentError, Option } from 'commander';
import type { MinCosine, QuantizeFileOptions } from '../index.js';
import { parseSize } from './options.js';

export interface FloorOptions {
  readonly minCosine?: MinCosine;
  readonly fallback?: boolean;
  readonly failFast?: boolean;
  readonly targetSize?: number;
}

export const floorOptions = (): Option[] => [
  new Option(
    '--min-cosine <c>',
    'no tensor is to be worse: a cosine such as 0.99, such by bits as in 2:0.7,4:0.9,8:0.95, or edge, local or cloud; what is below is named in a warning',
  ).argParser(parseMinCosine),
  new Option('--fallback', 'what is below gets finer types until it is not (default floor: 2:0.7,4:0.9,8:0.95)'),
  new Option('--fail-fast', 'write nothing where a tensor stays below'),
  new Option(
    '--target-size <size>',
    'the types that lose least for an output of at most that size, such as 3.5GB; --type or --bits say which kind of types',
  ).argParser(parseSize),
];

export const floorSettings = ({
  minCosine,
  fallback,
  failFast,
  targetSize,
}: FloorOptions): Pick<QuantizeFileOptions, 'minCosine' | 'fallback' | 'failFast' | 'targetBytes'> => ({
  ...{ minCosine, fallback, failFast },
  targetBytes: targetSize,
});

const NEEDED = 'It must be a number from 0 to 1, such by bits as in 4:0.9,8:0.95, or edge, local or cloud.';

export function parseMinCosine(text: string): MinCosine {
  const name = text.trim().toLowerCase();
  if (name === 'edge' || name === 'local' || name === 'cloud') return name;
  if (!name.includes(':')) return parseCosine(name);
  return Object.fromEntries(
    name.split(',').map((part) => {
      const [, bits = '', cosine = ''] = /^\s*([248])\s*:(.*)$/u.exec(part) ?? [];
      return [bits, parseCosine(cosine.trim())];
    }),
  );
}

function parseCosine(text: string): number {
  const cosine = Number(text);
  if (/^\d*\.?\d+$/u.test(text) && cosine <= 1) return cosine;
  throw new InvalidArgumentError(NEEDED);
}
