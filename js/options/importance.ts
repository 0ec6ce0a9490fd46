import { invalidOption, isArrayOf } from '../checks.js';
import { QuantizeError, quoted } from '../errors.js';
import type { Importance } from '../plan/importance.js';

/**
 * How much each column counts, by tensor: a Map, pairs, or a plain object. Copies: what the caller does with its arrays later
 * must not change a conversion that is under way.
 */
export function readImportance(value: unknown): Importance | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object') throw invalidOption('importance', value, 'a Map of Float32Arrays by tensor name');
  const pairs: Iterable<unknown> = Symbol.iterator in value ? (value as Iterable<unknown>) : Object.entries(value);
  const importance = new Map<string, Float32Array>();
  for (const pair of pairs) {
    const [name, columns] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
    if (typeof name !== 'string') throw invalidOption('importance', value, 'a Map of Float32Arrays by tensor name');
    if (!isArrayOf(columns, 'Float32Array')) {
      throw new QuantizeError('invalid_option', {
        layer: name,
        detail: `the importance of ${quoted(name)} is no Float32Array`,
      });
    }
    importance.set(name, columns.slice());
  }
  // As an importance matrix without entries is none.
  return importance.size === 0 ? null : importance;
}
