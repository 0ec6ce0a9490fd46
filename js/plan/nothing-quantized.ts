/** Told where a model of floats is to be quantized, and none of it is. */

import { isFloat } from '../codecs/codec.js';
import { isDType } from '../containers/dtypes.js';
import { quoted } from '../errors.js';
import { rowWeights } from '../rules/file-types.js';
import type { FileWarning, PlannedStep } from './report.js';

/** Every block format has blocks of so many weights, or of a multiple of that. */
const LEAST_BLOCK = 32;

export interface Asked {
  /** The caller's rules: where one of them decides about a tensor, the outcome is what was asked for. */
  readonly rules: readonly { readonly name: string }[];
  /** Whether rows of any length can be quantized. */
  readonly takesAnyRow: boolean;
  /** How the tensor of a name is quantized in spite of the rules that keep it, in words. */
  readonly wayFor: (name: string) => string;
}

/** For a plan that is to quantize. Nothing, too, where something was quantized before, or there are no floats. */
export function nothingQuantized(steps: readonly PlannedStep[], asked: Asked): readonly FileWarning[] {
  if (steps.some(isQuantized)) return [];
  const floats = steps.filter(({ stored }) => stored.codec !== null && stored.elements > 0);
  const own = new Set(asked.rules.map(({ name }) => name));
  const [first] = floats;
  if (first === undefined || floats.some(({ rule, isAsked }) => isAsked === true || own.has(rule ?? ''))) return [];
  const { name } = first.stored;
  const all =
    floats.length === 1 ? 'the only tensor of floats stays one' : `all ${floats.length} tensors of floats stay such`;
  const why = first.rule === null ? '' : ` (${first.rule})`;
  const message = `nothing is quantized: ${all}, ${floats.length === 1 ? '' : 'first of all '}${quoted(name)}${why}; ${adviceOn(first, floats, asked)}`;
  return [{ code: 'nothing_quantized', message }];
}

const isQuantized = ({ planned: { target } }: PlannedStep): boolean =>
  target.kind === 'codec' ? !isFloat(target.codec) : !isDType(target.type.name);

function adviceOn({ stored }: PlannedStep, floats: readonly PlannedStep[], { takesAnyRow, wayFor }: Asked): string {
  const isFlat = floats.every(({ planned }) => planned.shape.length < 2);
  const shapes = isFlat ? 'write their shapes into the model, where these have more than one dimension, or ' : '';
  if (takesAnyRow || rowWeights(stored.shape) % LEAST_BLOCK === 0) return `${shapes}give ${wayFor(stored.name)}`;
  return `${shapes}choose 2, 4 or 8 bits in safetensors or Arrow, which rows of any length can have`;
}
