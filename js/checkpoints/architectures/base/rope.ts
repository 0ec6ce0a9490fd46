import { i32s, text } from '../../../containers/gguf/key-values.js';
import { numberIn } from '../../config/hparams.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { Hparams } from '../../config/hparams.js';
import type { KeyList } from '../../key-list.js';
import { constant } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import { countIn, floatIn, optionalFloatIn, Parameters } from './parameters.js';

/** How positions are rotated in layers that attend to everything. */
export const fullRope = ({ rope }: Checkpoint): Hparams => rope.section('full_attention') ?? rope;

/** The pairs on rotated positions. Ways of scaling that llama.cpp has no key for are left out, as its converter leaves them out. */
export function setRopeParameters(pairs: KeyList, checkpoint: Checkpoint, architecture: string): void {
  const rope = fullRope(checkpoint);
  const parameters = new Parameters(pairs, architecture, rope);
  setScaling(pairs, parameters, rope);
  setSections(pairs, parameters, checkpoint.rope);
  parameters.optionalFloat('rope.freq_base', 'rope_theta');
  const local = checkpoint.rope.section('sliding_attention');
  if (local !== undefined) new Parameters(pairs, architecture, local).optionalFloat('rope.freq_base_swa', 'rope_theta');
}

function setScaling(pairs: KeyList, parameters: Parameters, rope: Hparams): void {
  const type = rope.text('rope_type');
  const setType = (name: string): void => {
    pairs.set(text(parameters.key('rope.scaling.type'), name));
  };
  if (type === 'su' || type === 'longrope') setType('longrope');
  if (type !== 'linear' && type !== 'yarn') return;
  const factor = optionalFloatIn(rope, 'factor');
  if (factor === undefined) return;
  setType(type);
  parameters.setFloat('rope.scaling.factor', factor);
  if (type === 'yarn') setYarn(parameters);
}

function setYarn(parameters: Parameters): void {
  parameters.count('rope.scaling.original_context_length', 'original_max_position_embeddings');
  parameters.optionalFloat('rope.scaling.yarn_ext_factor', 'extrapolation_factor');
  parameters.optionalFloat('rope.scaling.yarn_attn_factor', 'attention_factor', 'attn_factor');
  parameters.optionalFloat('rope.scaling.yarn_beta_fast', 'beta_fast');
  parameters.optionalFloat('rope.scaling.yarn_beta_slow', 'beta_slow');
}

const SECTIONS = 4;

/** How the dimensions of a head are shared among time, height and width, which have positions of their own. */
function setSections(pairs: KeyList, parameters: Parameters, rope: Hparams): void {
  const sections = rope.find('mrope_section');
  if (sections === undefined) return;
  const values = Array.isArray(sections) ? sections.slice(0, SECTIONS).map(numberIn) : [];
  while (values.length < SECTIONS) values.push(0);
  const whole = values.filter((one) => one !== undefined && Number.isInteger(one) && one >= 0 && one < 2 ** 31);
  if (!Array.isArray(sections) || whole.length !== SECTIONS) {
    throw rope.wrong(['mrope_section'], 'a list of up to four whole numbers');
  }
  pairs.set(
    i32s(
      parameters.key('rope.dimension_sections'),
      whole.map((one) => one ?? 0),
    ),
  );
}

const f = Math.fround;

/**
 * What each frequency of Llama 3's positions is divided by: `size / 2` values for heads of `size`; undefined where a model has
 * another way. Every step is rounded to f32, as llama.cpp's converter computes with torch. `usual` is the factor of models that
 * name none.
 */
export function llama3Factors(checkpoint: Checkpoint, size: number, usual: number): readonly number[] | undefined {
  const rope = fullRope(checkpoint);
  if (rope.text('rope_type')?.toLowerCase() !== 'llama3') return undefined;
  const base = f(floatOr(rope, 'rope_theta', 10_000));
  const factor = floatOr(rope, 'factor', usual);
  const low = floatOr(rope, 'low_freq_factor', 1);
  const high = floatOr(rope, 'high_freq_factor', 4);
  const context = rope.has('original_max_position_embeddings')
    ? countIn(rope, 'original_max_position_embeddings')
    : 8192;
  if (low <= 0 || high <= 0) throw rope.wrong([low <= 0 ? 'low_freq_factor' : 'high_freq_factor'], 'over 0');
  return Array.from({ length: Math.ceil(size / 2) }, (_, index) => {
    const frequency = f(1 / f(base ** f(f(2 * index) / f(size))));
    const wavelength = f(f(1 / frequency) * f(2 * Math.PI));
    if (wavelength < f(context / high)) return 1;
    if (wavelength > f(context / low)) return f(factor);
    const smooth = f(f(f(f(1 / wavelength) * f(context)) - f(low)) / f(high - low));
    return f(1 / f(f(f(1 - smooth) / f(factor)) + smooth));
  });
}

const floatOr = (rope: Hparams, name: string, value: number): number => (rope.has(name) ? floatIn(rope, name) : value);

/** Whether frequencies are divided by factors, some for long and some for short texts. */
export function hasRopeFactors({ rope }: Checkpoint): boolean {
  const listed = rope.find('long_factor') ?? null;
  return listed !== null && !(Array.isArray(listed) && listed.length === 0);
}

/**
 * The factors of the frequencies of `rotated` dimensions as tensors; none where there are none. Throws `invalid_file` where they
 * are not half as many numbers.
 */
export function ropeFactors(checkpoint: Checkpoint, rotated: number): readonly Weight[] {
  if (!hasRopeFactors(checkpoint)) return [];
  return (['long', 'short'] as const).map((kind) => {
    const values = Float32Array.from(factorsIn(checkpoint, `${kind}_factor`, rotated / 2));
    return constant(`rope_factors_${kind}.weight`, [values.length], values, checkpoint);
  });
}

function factorsIn({ rope }: Checkpoint, name: string, count: number): readonly number[] {
  const listed = rope.find(name);
  const numbers = Array.isArray(listed) ? listed.map(numberIn) : [];
  const values = numbers.flatMap((one) => one ?? []).filter((one) => Number.isFinite(Math.fround(one)));
  if (values.length !== count || numbers.length !== count) throw rope.wrong([name], `a list of ${count} numbers`);
  return values;
}
