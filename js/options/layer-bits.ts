/** Reads which layers have bits of their own. */

import { invalidOption } from '../checks.js';
import { QuantizeError, quoted } from '../errors.js';
import type { BitWidth } from '../types.js';
import type { HeldEntries } from './batch.js';
import { readPattern } from './rules.js';

/** The bits of some layers. */
export interface FixedBits {
  readonly bitsOf: (layer: string) => BitWidth | undefined;
  /** A sentence on each entry that fits none of the layers. */
  readonly idle: (layers: readonly string[]) => readonly string[];
}

interface BitsRule {
  readonly text: string;
  readonly pattern: RegExp;
  readonly bits: BitWidth;
}

/** Throws `invalid_option`. */
export function readLayerBits(held: HeldEntries | undefined): FixedBits {
  if (held === undefined) return { bitsOf: () => undefined, idle: () => [] };
  const { kind, isList, entries } = held;
  if (kind === '[object Map]') return byName(entries);
  if (isList) return byRule(entries.map(readRule));
  if (kind === '[object Object]') return byName(entries);
  const detail = `layerBits is ${kind.slice(1, -1)}, must be a Map or an object of bits by layer name, or a list of pairs of a pattern and bits`;
  throw new QuantizeError('invalid_option', { detail });
}

function byName(entries: readonly unknown[]): FixedBits {
  const bits = new Map(
    (entries as readonly (readonly [unknown, unknown])[]).map(([name, width]) => {
      if (typeof name !== 'string') throw invalidOption('a key of layerBits', name, 'the name of a layer');
      return [name, readBits(`layerBits of ${quoted(name)}`, width)] as const;
    }),
  );
  return {
    bitsOf: (layer) => bits.get(layer),
    idle: (layers) => {
      const names = new Set(layers);
      const unknown = [...bits.keys()].filter((name) => !names.has(name));
      return unknown.map((name) => `layerBits has ${quoted(name)}, but there is no layer of that name`);
    },
  };
}

const byRule = (rules: readonly BitsRule[]): FixedBits => ({
  bitsOf: (layer) => rules.find((rule) => fits(rule, layer))?.bits,
  idle: (layers) =>
    rules
      .filter((rule) => !layers.some((layer) => fits(rule, layer)))
      .map(({ text, bits }) => `the entry ${quoted(`${text}=${bits}`)} of layerBits fits no layer`),
});

/** A regular expression with the flag `g` or `y` would remember where it last matched. */
const fits = ({ pattern }: BitsRule, layer: string): boolean => layer.search(pattern) >= 0;

function readRule(entry: unknown, index: number): BitsRule {
  const place = `layerBits[${index}]`;
  if (!Array.isArray(entry) || entry.length !== 2) throw invalidOption(place, entry, 'a pair of a pattern and bits');
  const [given, bits] = entry as readonly unknown[];
  const pattern = readPattern(`${place}[0]`, given);
  const text = typeof given === 'string' ? given : pattern.source;
  return { text, pattern, bits: readBits(`${place}[1]`, bits) };
}

function readBits(place: string, bits: unknown): BitWidth {
  if (bits === 2 || bits === 4 || bits === 8) return bits;
  throw invalidOption(place, bits, '2, 4 or 8');
}
