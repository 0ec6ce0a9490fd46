/** In which order entries lie in a file: it has no padding, and every entry should be aligned to its elements. */

import type { PlannedGroup } from '../container.js';
import { dtypeBytes, isDType } from '../dtypes.js';

/** The data begins at a multiple of this. */
export const ALIGNMENT = 8;

/** An entry to be laid out. */
export interface Item {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** What its position has to be a multiple of; `bytes` is one too. */
  readonly alignment: number;
  /** Which group it belongs to, and the how manieth entry of that it is. */
  readonly group: number;
  readonly plane: number;
}

/** Items that lie together, and what their position has to be a multiple of; what they take is one too. */
interface Unit {
  readonly items: readonly Item[];
  readonly alignment: number;
}

/** The items of each group. What is only copied is to lie where its bytes keep up the alignment, whatever its elements. */
export const itemsOf = (groups: readonly PlannedGroup[]): readonly (readonly Item[])[] =>
  groups.map(({ entries }, group) =>
    entries.map(({ name, type: { name: dtype }, shape, bytes }, plane) => {
      const alignment = isDType(dtype) ? dtypeBytes(dtype) : commonFactor(bytes);
      return { name, dtype, shape, bytes, alignment, group, plane };
    }),
  );

/** By falling alignment and then by name, as the reference writer does it. */
export const byAlignment = (groups: readonly (readonly Item[])[]): readonly Item[] =>
  groups.flat().sort((a, b) => b.alignment - a.alignment || byName(a, b));

/**
 * For outputs whose bytes are written in order: the items of a group lie one behind the other, so that they can be written
 * window by window. Where that cannot be without an item that is not aligned, because of odd numbers of bytes, they lie
 * apart, behind the others, as `byAlignment` has them.
 */
export function byGroup(groups: readonly (readonly Item[])[]): readonly Item[] {
  const together: Unit[] = [];
  const apart: Unit[] = [];
  for (const items of groups) {
    const unit = unitOf(items);
    if (unit !== null) together.push(unit);
    else apart.push(...items.map((item) => ({ items: [item], alignment: item.alignment })));
  }
  // What lies apart begins at a multiple of the most that one of it needs: only units come before it that keep that up.
  const needed = apart.reduce((most, { alignment }) => Math.max(most, alignment), 1);
  const before = together.filter(({ alignment }) => alignment >= needed);
  const behind = together.filter(({ alignment }) => alignment < needed);
  return [before, [...apart, ...behind]].flatMap((units) => units.sort(byUnit).flatMap(({ items }) => items));
}

/** The group as a unit; null when an item in it would not be aligned. Its alignment is the most that its bytes keep up. */
function unitOf(items: readonly Item[]): Unit | null {
  let reached = 0;
  let needed = 1;
  for (const { bytes, alignment } of items) {
    if (reached % alignment !== 0) return null;
    reached += bytes;
    needed = Math.max(needed, alignment);
  }
  const alignment = commonFactor(reached);
  return alignment < needed ? null : { items, alignment };
}

const byUnit = (a: Unit, b: Unit): number => {
  const [first, second] = [a.items[0], b.items[0]];
  return b.alignment - a.alignment || (first === undefined || second === undefined ? 0 : byName(first, second));
};

const byName = (a: Item, b: Item): number => (a.name < b.name ? -1 : Number(a.name > b.name));

/** The largest power of two up to the data's alignment that `bytes` is a multiple of. */
function commonFactor(bytes: number): number {
  let factor = ALIGNMENT;
  while (bytes % factor !== 0) factor /= 2;
  return factor;
}
