/** What callers ask of a GGUF that becomes another one, besides its type. */

import { choice, flag, invalidOption, nameIn } from '../checks.js';
import { QuantizeError, quoted } from '../errors.js';
import type { AskedOfGguf } from '../plan/asked.js';
import type { WrittenType } from '../rules/copied.js';
import { COPY, TENSOR_TYPES, type TensorType } from '../types.js';
import type { HeldQuantization } from './held.js';

/** Options that only a GGUF has. */
export const GGUF_OPTIONS = ['leaveOutput', 'outputType', 'embeddingType', 'pruneLayers', 'keepSplit'] as const;

/** Of those, what is about types, which a copy has not. */
const TYPE_OPTIONS = ['pure', 'leaveOutput', 'outputType', 'embeddingType'] as const;

const LAYERS = 'an array of the numbers of layers, whole ones from 0 on';
/** More than any model has. */
const MOST_LAYERS = 10_000;

type Given = Pick<HeldQuantization, (typeof GGUF_OPTIONS)[number] | 'pure' | 'splitSize' | 'keyValues'>;

/** Throws `invalid_option`. The pairs are read for checkpoints, too, and come later. */
export function readAsked(given: Given, type: WrittenType): AskedOfGguf {
  const meaningless = TYPE_OPTIONS.find((option) => type === COPY && given[option] !== undefined);
  if (meaningless !== undefined) throw refused(`${meaningless} has no meaning for ${COPY}; leave it out`);
  const leavesOutput = flag('leaveOutput', given.leaveOutput);
  const outputType = readTensorType('outputType', given.outputType);
  const embeddingType = readTensorType('embeddingType', given.embeddingType);
  const keepSplit = flag('keepSplit', given.keepSplit);
  if (leavesOutput && outputType !== null) throw refused('outputType contradicts leaveOutput; leave one of them out');
  if (keepSplit && given.splitSize !== undefined)
    throw refused('splitSize contradicts keepSplit; leave one of them out');
  const prunedLayers = readLayers(given.pruneLayers);
  for (const { key } of given.keyValues ?? []) checkDecided(key, prunedLayers);
  const isAsked = leavesOutput || outputType !== null || embeddingType !== null;
  return {
    parts: isAsked ? { leavesOutput, outputType, embeddingType } : undefined,
    ...{ prunedLayers, keepSplit, pairs: [] },
  };
}

/** Throws for a pair that says what another option says already. */
function checkDecided(key: string, prunedLayers: readonly number[]): void {
  const decidedBy =
    prunedLayers.length > 0 && key.endsWith('.block_count')
      ? 'pruneLayers'
      : key.startsWith('quantize.imatrix.')
        ? 'imatrix'
        : null;
  if (decidedBy === null) return;
  throw refused(`keyValues must not have ${quoted(key)}, which follows from ${decidedBy}; leave it out`);
}

const refused = (detail: string): QuantizeError => new QuantizeError('invalid_option', { detail });

const NAMES: Readonly<Record<string, TensorType>> = Object.fromEntries(TENSOR_TYPES.map((name) => [name, name]));

const readTensorType = (option: string, value: unknown): TensorType | null =>
  choice(option, nameIn(TENSOR_TYPES, value) ?? value, NAMES) ?? null;

function readLayers(value: unknown): readonly number[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalidOption('pruneLayers', value, LAYERS);
  const layers = Array.from(value, (layer: unknown, index) => {
    if (typeof layer === 'number' && Number.isInteger(layer) && layer >= 0 && layer < MOST_LAYERS) return layer;
    throw invalidOption(`pruneLayers[${String(index)}]`, layer, 'the number of a layer, a whole one from 0 on');
  });
  return [...new Set(layers)].sort((a, b) => a - b);
}
