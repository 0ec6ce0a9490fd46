/** Reads what no layer may be worse than. */

import { choice, flag, invalidOption } from '../checks.js';
import { QuantizeError, quoted } from '../errors.js';
import { widthOf, type Floor } from '../plan/floor.js';
import type { FloorOptions, Profile } from '../types.js';

/** What `minCosine` is, and where nobody gives it the floor, of calls with a profile. */
const PROFILE_COSINES: Readonly<Record<Profile, number>> = { edge: 0.65, local: 0.85, cloud: 0.95 };

type ByBits = Readonly<Partial<Record<number, number>>>;

/** Where neither the caller nor a profile says. */
const DEFAULT_COSINES: ByBits = { 2: 0.7, 4: 0.9, 8: 0.95 };

/** Below every cosine. */
const NO_FLOOR = -1;

/**
 * The floor that options ask for; null where they ask for none. `defaultProfile` is that of the quantizer, which counts where
 * the call has no profile. Throws `invalid_option`.
 */
export function readFloor(
  given: FloorOptions & { readonly profile?: Profile | null | undefined },
  defaultProfile: Profile | undefined,
): Floor | null {
  const fallback = flag('fallback', given.fallback);
  const failFast = flag('failFast', given.failFast);
  const minCosine = given.minCosine ?? undefined;
  if (minCosine === undefined && !fallback && !failFast) return null;
  const profile = given.profile ?? defaultProfile;
  const asked = minCosine ?? (profile === undefined ? DEFAULT_COSINES : PROFILE_COSINES[profile]);
  return { cosineFor: cosinesOf(asked), fallback, failFast };
}

/** One cosine for all layers: a number, or that of a profile. Throws `invalid_option`. */
export const readMinCosine = (asked: unknown): number =>
  (typeof asked === 'string' ? choice('minCosine', asked, PROFILE_COSINES) : undefined) ??
  readCosine('minCosine', asked);

function cosinesOf(asked: unknown): Floor['cosineFor'] {
  if (typeof asked !== 'object' || asked === null) {
    const cosine = readMinCosine(asked);
    return () => cosine;
  }
  const byBits = readByBits(asked);
  return (bits) => byBits[widthOf(bits)] ?? NO_FLOOR;
}

function readByBits(asked: object): ByBits {
  const given = Object.entries(asked).filter(([, cosine]) => cosine !== undefined && cosine !== null);
  const unknown = given.find(([bits]) => !Object.hasOwn(DEFAULT_COSINES, bits));
  if (unknown !== undefined) {
    const detail = `minCosine has no key ${quoted(unknown[0])}; known are ${Object.keys(DEFAULT_COSINES).join(', ')}`;
    throw new QuantizeError('invalid_option', { detail });
  }
  // Nothing would be measured, and everything pass.
  if (given.length === 0 || Array.isArray(asked)) throw invalidOption('minCosine', asked, NEEDED);
  return Object.fromEntries(given.map(([bits, cosine]) => [bits, readCosine(`minCosine[${bits}]`, cosine)]));
}

const NEEDED = 'a number from 0 to 1, such numbers by bits like { 4: 0.9, 8: 0.95 }, or "edge", "local" or "cloud"';

function readCosine(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw invalidOption(name, value, name === 'minCosine' ? NEEDED : 'a number from 0 to 1');
}
