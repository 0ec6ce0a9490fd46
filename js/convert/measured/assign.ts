/** Which choice for each of several tensors loses least within a size. Knows nothing of weights. */

export interface Choice {
  readonly bytes: number;
  readonly error: number;
}

/** One more step to a finer choice of a tensor. */
interface Upgrade {
  readonly tensor: number;
  /** Its place on the tensor's hull, from 1 on. */
  readonly place: number;
  readonly bytes: number;
  /** Error saved per byte. */
  readonly gain: number;
}

/**
 * Indices of the choices that can be best of a tensor at some price of a byte, by size: each saves more error per byte than the
 * ones behind it. The first is the smallest; of equal ones the first counts.
 */
export function hullOf(choices: readonly Choice[]): readonly number[] {
  const bySize = choices
    .map((choice, index) => ({ ...choice, index }))
    .sort((a, b) => a.bytes - b.bytes || a.error - b.error || a.index - b.index);
  const hull: (Choice & { readonly index: number })[] = [];
  for (const one of bySize) {
    if (one.error >= (hull.at(-1)?.error ?? Infinity) && hull.length > 0) continue;
    for (;;) {
      const [before, last] = [hull.at(-2), hull.at(-1)];
      if (before === undefined || last === undefined || gainOf(before, last) > gainOf(last, one)) break;
      hull.pop();
    }
    hull.push(one);
  }
  return hull.map(({ index }) => index);
}

const gainOf = (from: Choice, to: Choice): number => {
  // What cannot be told is got rid of first.
  if (from.error === Infinity) return Infinity;
  return (from.error - to.error) / (to.bytes - from.bytes);
};

/**
 * For each tensor the index of its choice: all begin with the smallest, and the upgrade that saves most error per byte is made
 * next, where `room` bytes more than the smallest have room for it. Of equal ones that of the earlier tensor comes first. With more
 * room the sum of the errors is never larger.
 */
export function assigned(tensors: readonly (readonly Choice[])[], room: number): readonly number[] {
  const hulls = tensors.map(hullOf);
  const upgrades = hulls.flatMap((hull, tensor) => upgradesOf(tensors[tensor] ?? [], hull, tensor));
  upgrades.sort((a, b) => (a.gain === b.gain ? a.tensor - b.tensor || a.place - b.place : b.gain - a.gain));
  const places = hulls.map(() => 0);
  let left = room;
  for (const { tensor, place, bytes } of upgrades) {
    // What follows one that had no room has none either.
    if (places[tensor] !== place - 1 || bytes > left) continue;
    places[tensor] = place;
    left -= bytes;
  }
  return hulls.map((hull, tensor) => hull[places[tensor] ?? 0] ?? 0);
}

function upgradesOf(choices: readonly Choice[], hull: readonly number[], tensor: number): Upgrade[] {
  return hull.slice(1).flatMap((index, before): Upgrade[] => {
    const [from, to] = [choices[hull[before] ?? 0], choices[index]];
    if (from === undefined || to === undefined) return [];
    return [{ tensor, place: before + 1, bytes: to.bytes - from.bytes, gain: gainOf(from, to) }];
  });
}
