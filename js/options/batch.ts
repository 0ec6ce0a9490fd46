/** The options of calls, with every default filled in. */

import { choice, fieldsOf, flag, invalidOption, shown } from '../checks.js';
import { QuantizeError } from '../errors.js';
import type {
  BatchOptions,
  BitWidth,
  CallOptions,
  CreateOptions,
  GroupSize,
  Mode,
  Profile,
  ReusableOutput,
} from '../types.js';
import { EFFORTS } from '../codecs/codec.js';
import { readEffort } from '../plan/effort.js';
import type { Importance } from '../plan/importance.js';
import { readImportance } from './importance.js';
import { BATCH_OPTIONS, CALL_OPTIONS, readOptions, type Given } from './names.js';

interface Precision {
  readonly bits: BitWidth;
  readonly groupSize: GroupSize;
}

/** Where neither the caller nor a profile says. */
export const DEFAULT_BITS: BitWidth = 4;
const GROUP_SIZES: readonly GroupSize[] = [32, 64, 128, 256, 'tensor'];
const MODE_GROUP_SIZES: Readonly<Record<Mode, GroupSize>> = { diffusion: 128, base: 'tensor' };
/** What profiles stand for. */
export const PROFILES: Readonly<Record<Profile, Precision>> = {
  edge: { bits: 2, groupSize: 256 },
  local: { bits: 4, groupSize: 128 },
  cloud: { bits: 8, groupSize: 64 },
};

/** What a quantizer does where a call does not say otherwise. */
export interface Defaults extends Precision {
  readonly mode: Mode;
  /** The profile that decided bits and group size, so that no mode does. */
  readonly profile: Profile | undefined;
}

export interface Batch extends Precision {
  readonly symmetric: boolean;
  /** Place in EFFORTS. */
  readonly effort: number;
  readonly continueOnError: boolean;
  readonly transfer: boolean;
  readonly output: ReusableOutput | undefined;
  readonly signal: AbortSignal | undefined;
}

export function readDefaults({ mode = 'diffusion', profile }: Given<CreateOptions>): Defaults {
  const groupSize = choice('mode', mode, MODE_GROUP_SIZES) ?? MODE_GROUP_SIZES.diffusion;
  const precision = choice('profile', profile, PROFILES) ?? { bits: DEFAULT_BITS, groupSize };
  return { ...precision, mode, profile };
}

/** How accurate layers are to be, as the caller said it: what reads it is loaded where it is needed. */
export interface HeldAccuracy extends Pick<BatchOptions, 'minCosine' | 'fallback' | 'failFast' | 'profile'> {
  readonly layerBits: HeldEntries | undefined;
}

/** The entries that a collection had when the call was made. */
export interface HeldEntries {
  readonly entries: readonly unknown[];
  readonly isList: boolean;
  /** Its tag. */
  readonly kind: string;
}

/** A batch, and what only windows can do. */
export interface WeighedBatch extends Batch {
  /** How much each column counts, by layer; null where nobody says. */
  readonly importance: Importance | null;
  /** Null where nobody says. */
  readonly accuracy: HeldAccuracy | null;
}

export function readBatch(bits: unknown, options: BatchOptions | null | undefined, defaults: Defaults): WeighedBatch {
  const given = readOptions(options, BATCH_OPTIONS);
  const batch = { ...readGivenBatch(bits, given, defaults), accuracy: holdAccuracy(given) };
  const importance = readImportance(given.importance);
  if (importance === null || EFFORTS[batch.effort] === 'best') return { ...batch, importance };
  const detail = `importance has no effect with the effort ${String(EFFORTS[batch.effort])}; give the effort best, too, or leave importance out`;
  throw new QuantizeError('invalid_option', { detail });
}

function holdAccuracy(given: Given<BatchOptions>): HeldAccuracy | null {
  const { minCosine, layerBits, fallback, failFast, profile } = given;
  // False is as if it were not there; what is no boolean is for the reader to refuse.
  const flags: readonly unknown[] = [fallback ?? false, failFast ?? false];
  if (minCosine === undefined && layerBits === undefined && flags.every((one) => one === false)) return null;
  return {
    ...{ fallback, failFast, profile },
    minCosine: typeof minCosine === 'object' ? { ...minCosine } : minCosine,
    layerBits: layerBits === undefined ? undefined : holdEntries(Object(layerBits) as object),
  };
}

export const holdEntries = (given: object): HeldEntries => {
  const isList = Symbol.iterator in given;
  return {
    ...{ isList, kind: Object.prototype.toString.call(given) },
    entries: Array.from(isList ? (given as Iterable<unknown>) : Object.entries(given), (entry) =>
      Array.isArray(entry) ? [...(entry as unknown[])] : entry,
    ),
  };
};

export function readGivenBatch(bits: unknown, given: Given<BatchOptions>, defaults: Defaults): Batch {
  const profile = choice('profile', given.profile, PROFILES) ?? defaults;
  const size = groupSize(given.groupSize) ?? profile.groupSize;
  return {
    bits: bitWidth(bits) ?? profile.bits,
    groupSize: size,
    symmetric: flag('symmetric', given.symmetric),
    effort: effortFor(size, given.effort),
    continueOnError: flag('continueOnError', given.continueOnError),
    transfer: flag('transfer', given.transfer),
    output: readOutput(given.output),
    signal: readSignal(given.signal),
  };
}

/** The signal of a call that has no other options. */
export const readCallSignal = (options: CallOptions | null | undefined): AbortSignal | undefined =>
  readSignal(readOptions(options, CALL_OPTIONS).signal);

export function readSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  if (isAbortSignal(signal)) return signal;
  throw invalidOption('signal', signal, 'an AbortSignal');
}

/** Not `instanceof`: the signal may come from another realm. */
function isAbortSignal(value: unknown): value is AbortSignal {
  const { aborted, addEventListener, removeEventListener } = fieldsOf(value);
  return (
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  );
}

function bitWidth(bits: unknown): BitWidth | undefined {
  if (bits === undefined || bits === null) return undefined;
  if (bits === 2 || bits === 4 || bits === 8) return bits;
  throw new QuantizeError('invalid_bit_width', { detail: shown(bits) });
}

function groupSize(value: unknown): GroupSize | undefined {
  if (value === undefined) return undefined;
  const found = GROUP_SIZES.find((size) => size === value);
  if (found !== undefined) return found;
  throw invalidOption('groupSize', value, '32, 64, 128, 256 or "tensor"');
}

function effortFor(size: GroupSize, given: unknown): number {
  const effort = readEffort(given);
  if (effort === 0 || size !== 'tensor') return effort;
  const detail = `effort ${String(given)} has no meaning for one scale per tensor; give a groupSize, or leave it out`;
  throw new QuantizeError('invalid_option', { detail });
}

function readOutput(output: unknown): ReusableOutput | undefined {
  if (output === undefined) return undefined;
  // By tag: the Map may come from another realm.
  if (Object.prototype.toString.call(output) === '[object Map]') return output as ReusableOutput;
  throw invalidOption('output', output, 'a Map of layers, such as an earlier result');
}
