import { part } from '../part.js';
import { QuantizeError } from '../errors.js';
import type { QuantizeFileOptions } from '../convert/options.js';
import type { Format, FormatPlanner, FormatQuantization } from './format.js';
import type { FormatName } from './names.js';

/** Every format, loaded when it is asked for. */
const FORMATS: Readonly<Partial<Record<FormatName, () => Promise<{ readonly format: Format }>>>> = {
  mlx: () => import('./mlx/format.js'),
  onnx: () => import('./onnx/format.js'),
  'compressed-tensors': () => import('./compressed-tensors/format.js'),
  bitsandbytes: () => import('./bitsandbytes/format.js'),
  mlc: () => import('./mlc/format.js'),
};

/** Options of `quantizeFile` that mean the same for all formats. */
const COMMON: readonly (keyof QuantizeFileOptions)[] = [
  ...(['format', 'splitSize', 'metrics', 'progress', 'onTensor', 'onEvent', 'signal', 'resume'] as const),
  ...(['durability', 'memoryLimit', 'headers', 'fetch', 'accessToken', 'hubUrl'] as const),
];

/** Whether an option asks for nothing. */
const isOff = ({ given }: FormatQuantization, name: keyof QuantizeFileOptions): boolean =>
  (name === 'fallback' || name === 'failFast') && given[name] === false;

/** Rejects with `invalid_option` for options that the format does not have, or that do not go together. */
export async function plannerFor(quantization: FormatQuantization): Promise<FormatPlanner> {
  const load = FORMATS[quantization.format];
  if (load === undefined) throw new RangeError(`there is no format ${quantization.format}`);
  const { format } = await part(load);
  const given = Object.keys(quantization.given) as (keyof QuantizeFileOptions)[];
  if (quantization.importance !== null) given.push('importance');
  const other = given.find(
    (name) => !COMMON.includes(name) && !format.options.includes(name) && !isOff(quantization, name),
  );
  if (other !== undefined) {
    const detail = `${other} has no meaning, because the output is ${format.title}; leave it out`;
    throw new QuantizeError('invalid_option', { detail });
  }
  return format.plannerFor(quantization);
}
