import { sourceOf, type Model, type StoredTensor } from '../containers/container.js';
import { isFloatType } from '../containers/dtypes.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';

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

const isFp8 = ({ storage, dtype }: StoredTensor): boolean => storage.kind === 'plain' && dtype.startsWith('F8_');

/**
 * The model's tensors with the factors of scaled fp8 taken in, and without the tensors that held them. Other models come
 * back as they are. Rejects with `invalid_file` where there is a factor for each row or tile: leaving it out would give
 * wrong weights silently.
 */
export async function withFp8Scales({ tensors }: Pick<Model, 'tensors'>): Promise<readonly StoredTensor[]> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const dropped = new Set(tensors.flatMap(({ name }) => (MARK.test(name) ? [name] : [])));
  const scales = new Map<string, number>();
  for (const tensor of tensors.filter(isFp8)) {
    for (const suffix of COMPANION_SUFFIXES) dropped.add(stemOf(tensor) + suffix);
    const found = factorOf(tensor, byName);
    if (found === undefined) continue;
    scales.set(tensor.name, await readScale(found, tensor));
    dropped.add(found.name);
  }
  if (![...dropped].some((name) => byName.has(name))) return tensors;
  return tensors.filter(({ name }) => !dropped.has(name)).map((tensor) => scaled(tensor, scales.get(tensor.name)));
}

/** One of the model's tensors, with its factor taken in if it is scaled fp8; rejects as `withFp8Scales` does. */
export async function withFp8Scale(tensor: StoredTensor, { tensors }: Pick<Model, 'tensors'>): Promise<StoredTensor> {
  if (!isFp8(tensor)) return tensor;
  const found = factorOf(tensor, new Map(tensors.map((one) => [one.name, one])));
  return found === undefined ? tensor : scaled(tensor, await readScale(found, tensor));
}

const stemOf = ({ name }: StoredTensor): string =>
  name.endsWith(WEIGHT_SUFFIX) ? name.slice(0, -WEIGHT_SUFFIX.length) : name;

/** The tensor that holds the factor of `tensor`, by whichever name. */
const factorOf = (tensor: StoredTensor, byName: ReadonlyMap<string, StoredTensor>): StoredTensor | undefined =>
  [...SCALE_SUFFIXES.map((suffix) => stemOf(tensor) + suffix), ...NAME_SUFFIXES.map((suffix) => tensor.name + suffix)]
    .map((name) => byName.get(name))
    .find((scale) => scale !== undefined);

function scaled(tensor: StoredTensor, scale: number | undefined): StoredTensor {
  if (scale === undefined || tensor.storage.kind !== 'plain') return tensor;
  return { ...tensor, storage: { ...tensor.storage, scale } };
}

async function readScale({ name, dtype, elements, storage }: StoredTensor, tensor: StoredTensor): Promise<number> {
  const source = sourceOf(storage);
  if (elements !== 1) {
    const detail = `tensor ${quoted(tensor.name)} is fp8 with ${elements} scales (${quoted(name)}), but only one for all of it is understood; convert the model to BF16 first`;
    throw invalidFile(source, detail, { layer: tensor.name });
  }
  if (storage.kind !== 'plain' || !isFloatType(dtype)) {
    throw invalidFile(source, `the scale ${quoted(name)} is no float`, { layer: tensor.name });
  }
  const bytes = new Uint8Array(storage.data.bytes);
  await source.read(bytes, storage.data.begin);
  const view = new DataView(bytes.buffer);
  const scale = dtype === 'F32' ? view.getFloat32(0, true) : smallFloat(view.getUint16(0, true), dtype);
  if (Number.isFinite(scale)) return scale;
  throw invalidFile(source, `the scale ${quoted(name)} is not finite`, { layer: tensor.name });
}

/** The value of a BF16 or F16, by the definition of the formats. */
function smallFloat(bits: number, dtype: 'F16' | 'BF16'): number {
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
