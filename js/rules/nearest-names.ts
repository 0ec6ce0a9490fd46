/** Which names of tensors a pattern that matches none of them may have meant. */

/** What is looked at: the names of a hostile file must not take seconds. */
const MOST_NAMES = 1000;
const MOST_CHARACTERS = 120;
const MOST_ANSWERS = 3;

/**
 * At most three of `names`, those nearest to `pattern` first; none where nothing is near. Names that differ only in their
 * numbers count as one: every block of a model has the same.
 */
export function nearestNames(pattern: RegExp, names: readonly string[]): string[] {
  const wanted = normalized(literalOf(pattern.source));
  if (wanted === '') return [];
  const kinds = new Map<string, string>();
  for (const name of names) {
    if (kinds.size === MOST_NAMES) break;
    const kind = normalized(name);
    if (!kinds.has(kind)) kinds.set(kind, name);
  }
  return [...kinds]
    .map(([kind, name]) => ({ name, distance: distanceWithin(wanted, kind) }))
    .filter(({ distance }) => distance <= Math.ceil(wanted.length / 3))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, MOST_ANSWERS)
    .map(({ name }) => name);
}

const normalized = (name: string): string => name.slice(0, MOST_CHARACTERS).replace(/\d+/gu, '0').toLowerCase();

/** A regular expression's text without what steers the matching. */
const literalOf = (source: string): string =>
  source
    .replace(/\\d[+*]?|\[0-9\][+*]?/gu, '0')
    .replace(/\\(.)|\.[*+?]|[\^$()[\]{}|?*+]/gu, (_, escaped?: string) =>
      escaped !== undefined && /\W/u.test(escaped) ? escaped : '',
    );

/** The fewest characters to change, insert or leave out for `wanted` to be a part of `name`. */
function distanceWithin(wanted: string, name: string): number {
  let row = Array.from({ length: wanted.length + 1 }, (_, index) => index);
  let least = wanted.length;
  for (const character of name) {
    const next = [0];
    for (let at = 1; at <= wanted.length; ++at) {
      const changed = (row[at - 1] ?? 0) + Number(wanted[at - 1] !== character);
      next.push(Math.min(changed, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
    }
    row = next;
    least = Math.min(least, row[wanted.length] ?? 0);
  }
  return least;
}
