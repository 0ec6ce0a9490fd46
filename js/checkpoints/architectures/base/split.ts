/** Tensors of a checkpoint that are several ones in a GGUF. */

import { joined, rows } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Block } from './block.js';
import type { Recipe } from './recipes.js';

/** A matrix with those of gate and up one below the other, each of `shape`. */
export const gateAndUp = (
  block: Block,
  made: readonly [gate: string, up: string],
  part: string,
  [height, width]: readonly [number, number],
): Recipe => ({
  parts: [{ name: block.part(`${part}.weight`), shape: [2 * height, width] }],
  products: made.map((name, index) => ({
    name: block.made(`${name}.weight`),
    make: ([weight]) => rows(only(weight), index * height, (index + 1) * height),
  })),
});

/** Rows `begin` up to `end`. */
export type Stretch = readonly [begin: number, end: number];

/** Those rows of a tensor, in that order. */
export const gathered = (weight: Weight, stretches: readonly Stretch[]): Weight =>
  joined(
    stretches.map(([begin, end]) => rows(weight, begin, end)),
    weight.name,
  );

/** The weight that a recipe of one part has. */
export function only(weight: Weight | undefined): Weight {
  if (weight === undefined) throw new RangeError('a recipe without parts was used');
  return weight;
}

/**
 * Queries, keys and values that lie in groups: in each the queries of `queries` heads, then one head of keys, then one of values,
 * `head` rows each. The rows of all queries, of all keys, and of all values.
 */
export function grouped(groups: number, queries: number, head: number): readonly (readonly Stretch[])[] {
  const size = (queries + 2) * head;
  const stretchesOf = (begin: number, height: number): readonly Stretch[] =>
    Array.from({ length: groups }, (_, group) => [group * size + begin, group * size + begin + height] as const);
  return [stretchesOf(0, queries * head), stretchesOf(queries * head, head), stretchesOf((queries + 1) * head, head)];
}
