/** Options of `quantize` that types follow from: an accuracy floor, a size. */

import { InvalidArgumentError, Option } from 'commander';
import type { BitWidth, MinCosine, QuantizeFileOptions } from '../index.js';
import { parseSize } from './options.js';

export interface FloorOptions {
  readonly minCosine?: MinCosine;
  readonly fallback?: boolean;
  readonly failFast?: boolean;
  readonly targetSize?: number;
  readonly layerBits?: readonly BitsRule[];
}

type BitsRule = readonly [pattern: RegExp | string, bits: BitWidth];

export const layerBitsOption = (): Option =>
  new Option(
    '--layer-bits <regex=bits>',
    'safetensors: tensors whose names match, or, after "=", the one of that name, have 2, 4 or 8 bits; repeatable, the first that matches counts',
  ).argParser(collectLayerBits);

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
  layerBits,
}: FloorOptions): Pick<QuantizeFileOptions, 'minCosine' | 'fallback' | 'failFast' | 'targetBytes' | 'layerBits'> => ({
  ...{ minCosine, fallback, failFast, layerBits },
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

/** One more `regex=bits` for the list, or `=name=bits`. */
export function collectLayerBits(text: string, earlier: readonly BitsRule[] | undefined): readonly BitsRule[] {
  const [, pattern, given] = /^(.+)=([248])$/su.exec(text) ?? [];
  if (pattern === undefined) throw new InvalidArgumentError("It must be a pattern and 2, 4 or 8, such as 'attn_v=8'.");
  const bits = Number(given) as BitWidth;
  if (pattern.startsWith('=')) return [...(earlier ?? []), [pattern, bits]];
  try {
    return [...(earlier ?? []), [new RegExp(pattern, 'u'), bits]];
  } catch {
    throw new InvalidArgumentError(`${JSON.stringify(pattern)} is no regular expression.`);
  }
}
