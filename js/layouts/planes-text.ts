/** The text that says how planes are to be decoded: JSON under the key `arrowquant` (docs/formats.md). */

import { findTraits, traitsOf, type Codec, type CodecTraits } from '../codecs/codec.js';
import { MAX_RANK, elementCount, isDType, isFloatType } from '../containers/dtypes.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import { isRecord, parseJsonText } from '../containers/json.js';
import type { QuantizeError } from '../errors.js';
import type { ByteSource } from '../io/byte-io.js';
import type { PlannedTensor } from './tensor.js';

export const PLANES_KEY = 'arrowquant';

/** Affine tensors only, without a word about the codec; what has others is of the second version. */
const AFFINE = { format: 'affine', version: 1 } as const;
const PLANES = { format: 'planes', version: 2 } as const;

/** A group size of 0 in the text. */
const WHOLE_TENSOR = 'tensor';

/** What the weights were whose type the text does not have; it has those that can be restored. */
const DEFAULT_DTYPE = 'F32';

/** What the text says of a tensor. */
export interface Description {
  readonly codec: Codec;
  /** F32, F16 or BF16. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly elements: number;
}

/** Whether such weights are several arrays, or need more than a name to be decoded. */
export const hasPlanes = ({ planes, bits, groupSizes }: CodecTraits): boolean =>
  planes.length > 1 || bits.length > 0 || groupSizes.length > 0;

/** The text about tensors that `hasPlanes` holds for; undefined when there are none. */
export function textAbout(
  tensors: readonly (PlannedTensor & { readonly target: { readonly codec: Codec } })[],
): string | undefined {
  if (tensors.length === 0) return undefined;
  const { format, version } = tensors.every(({ target }) => target.codec.name === 'affine') ? AFFINE : PLANES;
  const said = new Map<Codec, string>();
  const entries = tensors.map(({ name, dtype, shape, target: { codec } }) => {
    const parameters = said.get(codec) ?? parametersOf(codec);
    said.set(codec, parameters);
    const before = version === PLANES.version ? `"codec":${JSON.stringify(codec.name)},` : '';
    const known = isFloatName(dtype) ? dtype : DEFAULT_DTYPE;
    return `${JSON.stringify(name)}:{${before}"dtype":"${known}","shape":[${shape.join(',')}]${parameters}}`;
  });
  // Put together by hand: a tensor may be called `__proto__`, and objects take longer.
  return `{"format":"${format}","version":${version},"tensors":{${entries.join(',')}}}`;
}

const isFloatName = (dtype: unknown): dtype is string => isDType(dtype) && isFloatType(dtype);

/** Those that the codec has, with a comma before each. */
function parametersOf(codec: Codec): string {
  const { bits, groupSizes, symmetric } = traitsOf(codec);
  const size = codec.groupSize === 0 ? `"${WHOLE_TENSOR}"` : String(codec.groupSize);
  return [
    ...(bits.length > 0 ? [`,"bits":${codec.bits}`] : []),
    ...(groupSizes.length > 0 ? [`,"group_size":${size}`] : []),
    ...(symmetric ? [`,"symmetric":${codec.symmetric}`] : []),
  ].join('');
}

/** By name, the tensors that the text describes. Throws `invalid_file` for what is not as docs/formats.md says. */
export function readDescriptions(text: string, source: ByteSource): ReadonlyMap<string, Description> {
  const what = `"${PLANES_KEY}" in the metadata`;
  const { format, version, tensors } = parseJsonText(text, source, what, 2);
  const isAffine = format === AFFINE.format && version === AFFINE.version;
  if (!isAffine && (format !== PLANES.format || version !== PLANES.version)) {
    throw invalidFile(source, `${what} announces a format that this version does not know`);
  }
  if (!isRecord(tensors)) throw invalidFile(source, `${what} lists no tensors`);
  return new Map(
    Object.entries(tensors).map(([name, value]) => [name, readDescription(name, value, isAffine, source)]),
  );
}

function readDescription(name: string, value: unknown, isAffine: boolean, source: ByteSource): Description {
  const fail = (field: string): QuantizeError =>
    invalidFile(source, `the metadata gives tensor ${quoted(name)} no valid ${field}`, { layer: name });
  if (!isRecord(value)) throw fail('description');
  const { dtype, shape } = value;
  if (!isFloatName(dtype)) throw fail('dtype');
  if (!Array.isArray(shape) || shape.length > MAX_RANK) throw fail('shape');
  const elements = elementCount(shape);
  if (Number.isNaN(elements)) throw fail('shape');
  const traits = isAffine ? traitsOf({ name: 'affine' }) : readCodec(name, value['codec'], source);
  const codec = readParameters(traits, value, fail);
  const { blockWeights } = traits;
  if (Number(shape.at(-1) ?? 1) % blockWeights !== 0) throw fail(`shape for blocks of ${blockWeights}`);
  return { codec, dtype, shape: shape as number[], elements };
}

function readCodec(tensor: string, codec: unknown, source: ByteSource): CodecTraits {
  const about = { layer: tensor };
  if (typeof codec !== 'string') {
    throw invalidFile(source, `the metadata gives tensor ${quoted(tensor)} no valid codec`, about);
  }
  const traits = findTraits(codec);
  if (traits?.encodes === true && !traits.foreign && hasPlanes(traits)) return traits;
  const fault = traits === undefined || hasPlanes(traits) ? 'which this version does not know' : 'which has no planes';
  throw invalidFile(source, `the metadata gives tensor ${quoted(tensor)} the codec ${quoted(codec)}, ${fault}`, about);
}

/** The codec with the parameters that `value` gives it: those that it has, and no others. */
function readParameters(
  { name, bits: widths, groupSizes, symmetric: canBeSymmetric }: CodecTraits,
  value: Readonly<Record<string, unknown>>,
  fail: (field: string) => QuantizeError,
): Codec {
  const { bits, group_size: groupSize, symmetric } = value;
  const size = groupSize === WHOLE_TENSOR ? 0 : groupSize;
  if (!isOneOf(widths, bits)) throw fail('bits');
  if (groupSize === 0 || !isOneOf(groupSizes, size)) throw fail('group_size');
  if (typeof symmetric !== (canBeSymmetric ? 'boolean' : 'undefined')) throw fail('symmetric');
  return { name, bits: bits ?? 0, groupSize: size ?? 0, symmetric: symmetric === true };
}

/** Whether a parameter has one of the values that it can have; it has none where it can have none. */
const isOneOf = (values: readonly number[], value: unknown): value is number | undefined =>
  values.length === 0 ? value === undefined : values.some((one) => one === value);
