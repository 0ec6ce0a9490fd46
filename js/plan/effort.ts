import { choice } from '../checks.js';
import { EFFORTS } from '../codecs/codec.js';

const PLACES: Readonly<Record<string, number>> = Object.fromEntries(EFFORTS.map((name, place) => [name, place]));

/** The place in EFFORTS of what a caller asks for. Throws `invalid_option` for what is none of them. */
export const readEffort = (value: unknown): number => choice('effort', value, PLACES) ?? 0;
