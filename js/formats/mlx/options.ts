import { choice, invalidOption, nameIn } from '../../checks.js';
import { QuantizeError } from '../../errors.js';
import { readEffort } from '../../plan/effort.js';
import type { FormatQuantization } from '../format.js';
import { MIXTURE_NAMES, type MixtureName } from '../names.js';
import { MODES, type Mode, type Precision } from './precision.js';

/** What MLX is asked for. */
export interface MlxOptions {
  readonly precision: Precision;
  /** Whether the caller has said the group size: mlx-lm writes it for the modules of a mixture only then. */
  readonly isGroupSizeGiven: boolean;
  readonly mixture: MixtureName | null;
  /** Place in EFFORTS. */
  readonly effort: number;
  /** What floats become; null: what config.json says, else what they are. */
  readonly dtype: string | null;
  /** Whose names and rules apply; null: what config.json says. */
  readonly architecture: string | null;
}

const NAMES = <Name extends string>(names: readonly Name[]): Readonly<Record<string, Name>> =>
  Object.fromEntries(names.map((name) => [name, name]));

const MODE_NAMES = Object.keys(MODES) as readonly Mode[];
const DTYPES = ['F32', 'F16', 'BF16'] as const;

/** Throws `invalid_option` for what MLX does not have. */
export function readMlxOptions({ given }: FormatQuantization): MlxOptions {
  const mode = choice('type', nameIn(MODE_NAMES, given.type) ?? given.type, NAMES(MODE_NAMES)) ?? 'affine';
  const mixture = choice('mix', given.mix, NAMES(MIXTURE_NAMES)) ?? null;
  if (mixture !== null && mode !== 'affine') throw meaningless('mix', `type ${mode}`);
  if (mixture !== null && given.bits !== undefined) throw meaningless('bits', 'a mixture');
  return {
    precision: {
      mode,
      bits: oneOf('bits', given.bits, mode, MODES[mode].bits),
      groupSize: oneOf('groupSize', given.groupSize, mode, MODES[mode].groupSizes),
    },
    isGroupSizeGiven: given.groupSize !== undefined,
    mixture,
    effort: readEffort(given.effort),
    dtype: choice('dtype', nameIn(DTYPES, given.dtype) ?? given.dtype, NAMES(DTYPES)) ?? null,
    architecture: readArchitecture(given.architecture),
  };
}

/** The first of `values` where nothing is given. */
function oneOf(option: string, given: unknown, mode: Mode, values: readonly number[]): number {
  const [usual = 0] = values;
  if (given === undefined) return usual;
  const value = values.find((one) => one === given);
  if (value !== undefined) return value;
  const sorted = [...values].sort((a, b) => a - b);
  throw invalidOption(option, given, `${sorted.join(', ')} for the type ${mode} of MLX`);
}

const meaningless = (option: string, because: string): QuantizeError =>
  new QuantizeError('invalid_option', { detail: `${option} has no meaning with ${because}; leave it out` });

function readArchitecture(value: unknown): string | null {
  if (value === undefined) return null;
  if (typeof value === 'string') return value;
  throw invalidOption('architecture', value, 'a model_type of transformers, or none');
}
