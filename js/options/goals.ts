/** What callers ask for that types follow from: an accuracy floor, a size. */

import { isFloat, type Codec } from '../codecs/codec.js';
import type { MeasuredGoals } from '../convert/measured/context.js';
import { QuantizeError } from '../errors.js';
import type { WrittenType } from '../rules/copied.js';
import { quantizes } from '../rules/file-types.js';
import type { Profile } from '../types.js';
import { readFloor } from './floor.js';
import type { HeldQuantization } from './held.js';
import type { FLOOR_OPTIONS } from './names.js';
import { readBytes } from './numbers.js';

type Asked = Pick<HeldQuantization, keyof typeof FLOOR_OPTIONS | 'targetBytes' | 'profile'>;

/** Null where nothing is asked for. Throws `invalid_option`. */
export function readGoals(given: Asked, defaultProfile: Profile | undefined): MeasuredGoals | null {
  const floor = readFloor(given, defaultProfile);
  const targetBytes = readBytes('targetBytes', given.targetBytes, 1);
  return floor === null && targetBytes === undefined ? null : { floor, targetBytes };
}

/** Throws `invalid_option` for a file of a type in which nothing is quantized, or all of it alike. */
export function checkFileGoals(goals: MeasuredGoals | null, given: Asked, type: WrittenType, pure: boolean): void {
  if (goals === null) return;
  if (!quantizes(type)) throw refused(optionOf(given), `type ${type} quantizes nothing`);
  const { floor, targetBytes } = goals;
  if (!pure || (targetBytes === undefined && floor?.fallback !== true)) return;
  const option = targetBytes === undefined ? 'fallback' : 'targetBytes';
  throw refused(option, 'pure gives all tensors the same type');
}

/** Throws `invalid_option` for a codec that quantizes nothing. */
export function checkCodecGoals(goals: MeasuredGoals | null, given: Asked, codec: Codec): void {
  if (goals !== null && isFloat(codec)) throw refused(optionOf(given), `type ${codec.name} quantizes nothing`);
}

/** The first of the options that asks for something. */
const optionOf = (given: Asked): string =>
  (['targetBytes', 'minCosine', 'fallback', 'failFast'] as const).find(
    (name) => given[name] !== undefined && given[name] !== false,
  ) ?? 'minCosine';

const refused = (option: string, why: string): QuantizeError =>
  new QuantizeError('invalid_option', { detail: `${option} has no meaning, because ${why}; leave it out` });
