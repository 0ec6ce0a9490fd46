import { isFloat } from '../codecs/codec.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import type { ByteRange } from '../io/byte-io.js';
import { readRanges } from '../io/read-ranges.js';
import { sourceOf, type CodedTensor, type Tensor } from '../layouts/tensor.js';
import type { Model } from './model.js';

/**
 * Checkpoints of scaled fp8: a tensor `x.weight` in F8_E4M3 or F8_E5M2 with a factor beside it, which its values are to be
 * multiplied with. The writers agree on the idea, not on the name.
 */
const SCALE_SUFFIXES: readonly string[] = ['.scale_weight', '.weight_scale', '.weight_scale_inv', '.scale'];
/** The same for tensors that are not called `weight`, such as those of all experts of a layer; behind the whole name. */
const NAME_SUFFIXES: readonly string[] = ['_scale', '_scale_inv'];
/** Factors for the activations: of no use to weights. */
const COMPANION_SUFFIXES: readonly string[] = ['.scale_input', '.input_scale'];
/** An empty tensor that some writers leave in such checkpoints. */
const MARK = /(?:^|\.)scaled_fp8$/u;
const WEIGHT_SUFFIX = '.weight';

const isFp8 = (tensor: Tensor): tensor is CodedTensor => tensor.codec?.name.startsWith('F8_') === true;

/** Why a scale of scaled fp8, and what marks such checkpoints, is no tensor of the output. */
export const TAKEN_IN = 'scaled fp8: taken into the weights';

/**
 * The model's tensors with the factors of scaled fp8 taken in, and without the tensors that held them. Other models come
 * back as they are. Rejects with `invalid_file` where there is a factor for each row or tile: leaving it out would give
 * wrong weights silently. The factors are read together: a server answers once for many.
 */
export async function withFp8Scales({ tensors }: Pick<Model, 'tensors'>): Promise<readonly Tensor[]> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const dropped = new Set(tensors.flatMap(({ name }) => (MARK.test(name) ? [name] : [])));
  const pairs = tensors.filter(isFp8).flatMap((tensor): ScaledPair[] => {
    for (const suffix of COMPANION_SUFFIXES) dropped.add(stemOf(tensor) + suffix);
    const factor = factorOf(tensor, byName);
    return factor === undefined ? [] : [{ tensor, factor }];
  });
  for (const { factor } of pairs) dropped.add(factor.name);
  if (![...dropped].some((name) => byName.has(name))) return tensors;
  const scales = await readScales(pairs);
  return tensors
    .filter(({ name }) => !dropped.has(name))
    .map((tensor) => {
      const scale = scales.get(tensor.name);
      return scale === undefined || tensor.codec === null ? tensor : { ...tensor, scale };
    });
}

/** One of the model's tensors, with its factor taken in if it is scaled fp8; rejects as `withFp8Scales` does. */
export async function withFp8Scale(tensor: Tensor, { tensors }: Pick<Model, 'tensors'>): Promise<Tensor> {
  if (!isFp8(tensor)) return tensor;
  const factor = factorOf(tensor, new Map(tensors.map((one) => [one.name, one])));
  if (factor === undefined) return tensor;
  return { ...tensor, scale: (await readScales([{ tensor, factor }])).get(tensor.name) };
}

interface ScaledPair {
  readonly tensor: CodedTensor;
  readonly factor: Tensor;
}

/** Whether the values of a tensor as it is stored are to be multiplied with a factor that lies in another one. */
export const hasFactor = (tensor: Tensor, byName: ReadonlyMap<string, Tensor>): boolean =>
  isFp8(tensor) && tensor.scale === undefined && factorOf(tensor, byName) !== undefined;

const stemOf = ({ name }: Tensor): string =>
  name.endsWith(WEIGHT_SUFFIX) ? name.slice(0, -WEIGHT_SUFFIX.length) : name;

/** The tensor that holds the factor of `tensor`, by whichever name. */
const factorOf = (tensor: Tensor, byName: ReadonlyMap<string, Tensor>): Tensor | undefined =>
  [...SCALE_SUFFIXES.map((suffix) => stemOf(tensor) + suffix), ...NAME_SUFFIXES.map((suffix) => tensor.name + suffix)]
    .map((name) => byName.get(name))
    .find((scale) => scale !== undefined);

/** By name of the tensor that it is for. */
async function readScales(pairs: readonly ScaledPair[]): Promise<ReadonlyMap<string, number>> {
  const ranges = pairs.map(rangeOf);
  const read = await readRanges(ranges);
  return new Map(
    pairs.map(({ tensor, factor }, index) => {
      const scale = valueOf(read[index] ?? new Uint8Array(), factor.dtype);
      if (Number.isFinite(scale)) return [tensor.name, scale];
      throw invalidFile(sourceOf(factor), `the scale ${quoted(factor.name)} is not finite`, { layer: tensor.name });
    }),
  );
}

function rangeOf({ tensor, factor }: ScaledPair): ByteRange {
  const source = sourceOf(factor);
  const { name, elements } = factor;
  if (elements !== 1) {
    const detail = `tensor ${quoted(tensor.name)} is fp8 with ${elements} scales (${quoted(name)}), but only one for all of it is understood; convert the model to BF16 first`;
    throw invalidFile(source, detail, { layer: tensor.name });
  }
  const [range] = factor.planes[0] ?? [];
  const isReadable = factor.codec !== null && isFloat(factor.codec) && !isFp8(factor);
  if (range === undefined || !isReadable) {
    throw invalidFile(source, `the scale ${quoted(name)} is no float`, { layer: tensor.name });
  }
  return range;
}

/** The value of an F32, BF16 or F16. */
function valueOf(bytes: Uint8Array, dtype: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return dtype === 'F32' ? view.getFloat32(0, true) : smallFloat(view.getUint16(0, true), dtype);
}

/** The value of a BF16 or F16, by the definition of the formats. */
function smallFloat(bits: number, dtype: string): number {
  if (dtype === 'BF16') {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, bits * 2 ** 16);
    return view.getFloat32(0);
  }
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
