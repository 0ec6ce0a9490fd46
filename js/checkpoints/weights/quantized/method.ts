import { QuantizeError, quoted } from '../../../errors.js';
import { wholeNumber, type Json } from '../../../formats/folder/json.js';
import { readRanges } from '../../../io/read-ranges.js';
import { sourceOf, type Tensor } from '../../../layouts/tensor.js';
import { bytesOf } from '../../../models/scaled/layer.js';
import type { Hparams } from '../../config/hparams.js';
import { isFloatType, type Weight } from '../weight.js';
import { keptName } from '../../architectures/base/names.js';
import { formatOf, isCompanion, splitWeights } from './companions.js';
import { gptqWeight } from './gptq.js';
import { packedShape, packedShapeTensor, packedWeight } from './packed.js';
import { besides } from './rows.js';
import { scaledWeight } from './scaled.js';

export type Tensors = ReadonlyMap<string, Tensor>;

/** What quantized tensors become. */
export interface Dequantized {
  /** By the names of the tensors whose places they take. */
  readonly inPlace: ReadonlyMap<string, Weight>;
  /** Those that come after all others. */
  readonly last: readonly Weight[];
  /** The names of what is none of them any more. */
  readonly taken: ReadonlySet<string>;
}

const NONE: Dequantized = { inPlace: new Map(), last: [], taken: new Set() };

/** What `quantization_config` calls methods, and how their weights are decoded. */
const METHODS: Readonly<Record<string, (tensors: Tensors, config: Hparams) => Dequantized | Promise<Dequantized>>> = {
  fp8: (tensors, config) => scaled(tensors, FP8_SUFFIXES, tileIn(config, 'weight_block_size'), FP8_UNUSED),
  gptq,
  'compressed-tensors': compressed,
  modelopt: (tensors) => scaled(tensors, [['.weight_scale', '.weight']], null, /\.(?:input|k|v)_scale$/u),
};

/** How a checkpoint's config says that it is quantized. */
export const methodOf = (hparams: Hparams): string | undefined =>
  hparams.section('quantization_config')?.text('quant_method');

/**
 * What llama.cpp's converter makes of a quantized checkpoint, as its config says that it is. Rejects with `unsupported_dtype`
 * for methods that are not known, unless they are `left`, which stays as it is, or all tensors are floats, and with
 * `invalid_file` for tensors that are not as their method demands.
 */
export async function dequantized(tensors: Tensors, hparams: Hparams, left?: string): Promise<Dequantized> {
  const config = hparams.section('quantization_config');
  if (left !== undefined && methodOf(hparams) === left) return NONE;
  const made = config === undefined ? NONE : await decodedBy(config, tensors);
  refuseUndecoded(tensors, made, config?.text('quant_method'));
  return made;
}

async function decodedBy(config: Hparams, tensors: Tensors): Promise<Dequantized> {
  // What has been made floats of keeps its config.json.
  if ([...tensors.values()].every((tensor) => isFloat(tensor) && !isCompanion(tensor.name))) return NONE;
  const method = config.text('quant_method');
  if (isNvfp4(config)) throw unknown(tensors, 'NVFP4');
  if (method === undefined) return NONE;
  const decode = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (decode === undefined) throw unknown(tensors, method);
  return decode(tensors, config);
}

/** As ModelOpt says it, of all layers or of some. */
function isNvfp4(config: Hparams): boolean {
  const layers = config.section('quantized_layers');
  const algorithms = [...(layers?.values.keys() ?? [])].map((layer) => layers?.section(layer)?.text('quant_algo'));
  return [config.text('quant_algo'), ...algorithms].some((algorithm) => algorithm?.endsWith('NVFP4') === true);
}

/** Throws where quantized weights are left that no method has decoded: as they are, they would be numbers without their scales. */
function refuseUndecoded(tensors: Tensors, { taken }: Dequantized, method: string | undefined): void {
  const isLeft = ({ name }: Tensor): boolean => isCompanion(name) && !taken.has(name) && keptName(name) !== null;
  const split = splitWeights(tensors.values()).find((parts) => parts.some(isLeft));
  if (split === undefined) return;
  const format = formatOf(split) ?? method;
  throw unreadable(
    split[0],
    format === undefined ? 'quantized weights, of which config.json does not say how' : quantizedWith(format),
  );
}

const isFloat = ({ codec }: Tensor): boolean => codec !== null && isFloatType(codec.name);

function unknown(tensors: Tensors, format: string): QuantizeError {
  const all = [...tensors.values()];
  const first = splitWeights(all)[0]?.[0] ?? all.find((tensor) => !isFloat(tensor)) ?? all[0];
  return unreadable(first, quantizedWith(format));
}

const ADVICE =
  'restore its floats to a file beside its config.json (arrowquant dequantize) and give that file, ' +
  'or start from the model as it was before it was quantized';

const quantizedWith = (format: string): string => `weights quantized with ${quoted(format)}`;

const unreadable = (tensor: Tensor | undefined, detail: string): QuantizeError =>
  new QuantizeError('unsupported_dtype', {
    ...(tensor !== undefined && { file: sourceOf(tensor).name, layer: tensor.name }),
    ...{ detail, advice: ADVICE },
  });

/** Ends of names of scales, and what the names of their weights have in its place. */
type Suffixes = readonly (readonly [scale: string, weight: string])[];

const FP8_SUFFIXES: Suffixes = [
  ['_scale_inv', ''],
  ['.qscale_weight', '.weight'],
];
const FP8_UNUSED = /[._]activation_scale$|\.qscale_act$/u;

function scaled(tensors: Tensors, suffixes: Suffixes, tile: readonly number[] | null, unused: RegExp): Dequantized {
  const inPlace = new Map<string, Weight>();
  const taken = new Set<string>();
  for (const [name, scale] of tensors) {
    if (unused.test(name)) taken.add(name);
    const suffix = suffixes.find(([end]) => name.endsWith(end));
    if (suffix === undefined) continue;
    const weight = besides(scale, name.slice(0, -suffix[0].length) + suffix[1], tensors);
    inPlace.set(weight.name, scaledWeight(weight, scale, tile));
    taken.add(name);
  }
  return { inPlace, last: [], taken };
}

/** Sizes of tiles; null where there are none. */
function tileIn(config: Hparams, key: string): readonly number[] | null {
  const said = config.find(key);
  if (said === undefined || said === null) return null;
  const sizes = Array.isArray(said) ? said.map((one: Json) => wholeNumber(one) ?? 0) : [];
  if (sizes.length === 0 || sizes.some((size) => size < 1)) throw config.wrong([key], 'a list of sizes');
  return sizes;
}

function gptq(tensors: Tensors, config: Hparams): Dequantized {
  const bits = config.whole('bits');
  if (bits !== 2 && bits !== 4 && bits !== 8) throw unknown(tensors, `gptq of ${bits} bits`);
  const format = config.text('checkpoint_format') ?? 'gptq';
  const bases = [...tensors.keys()]
    .filter((name) => name.endsWith(QWEIGHT))
    .map((name) => name.slice(0, -QWEIGHT.length));
  const packing = { bits, zeroOffset: format === 'gptq' ? 1 : 0 } as const;
  return {
    inPlace: new Map(),
    last: bases.map((base) => gptqWeight(base, packing, tensors)),
    taken: new Set(bases.flatMap((base) => GPTQ_PARTS.map((part) => base + part))),
  };
}

const QWEIGHT = '.qweight';
const GPTQ_PARTS: readonly string[] = [QWEIGHT, '.qzeros', '.scales', '.g_idx'];

/** Factors that runtimes quantize activations with. */
const FOR_ACTIVATIONS = /\.(?:input|output|q|k|v)_scale$/u;
const WITH_SCALES: readonly string[] = ['float-quantized', 'int-quantized', 'naive-quantized'];
const STRATEGIES: readonly string[] = ['tensor', 'channel', 'block'];

function compressed(tensors: Tensors, config: Hparams): Dequantized | Promise<Dequantized> {
  const format = config.text('format') ?? '';
  const groups = config.section('config_groups');
  const [group, ...others] = groups === undefined ? [] : [...groups.values.keys()];
  const weights = group === undefined ? undefined : groups?.section(group)?.section('weights');
  const [strategy, type] = [weights?.text('strategy') ?? '', weights?.text('type') ?? 'int'];
  const label = `compressed-tensors (${format} by ${strategy})`;
  if (weights === undefined || others.length > 0) throw unknown(tensors, `${label} in several ways`);
  if (
    WITH_SCALES.includes(format) &&
    STRATEGIES.includes(strategy) &&
    weights.optionalWhole('group_size') === undefined
  ) {
    return scaled(tensors, [['.weight_scale', '.weight']], tileIn(weights, 'block_structure'), FOR_ACTIVATIONS);
  }
  if (format !== 'pack-quantized' || strategy !== 'group' || type !== 'int') throw unknown(tensors, label);
  const packing = { bits: weights.whole('num_bits'), groupSize: weights.whole('group_size') };
  const isMeant = packing.bits >= 1 && packing.bits <= 8 && packing.groupSize >= 1;
  if (!isMeant) throw weights.wrong(['num_bits', 'group_size'], 'a number of bits up to 8, and a size');
  return packedAll(tensors, packing);
}

const PACKED = '_packed';
const PACKED_PARTS: readonly string[] = [PACKED, '_shape', '_scale', '_zero_point'];

async function packedAll(
  tensors: Tensors,
  packing: { readonly bits: number; readonly groupSize: number },
): Promise<Dequantized> {
  const packed = [...tensors].filter(([name]) => name.endsWith(`.weight${PACKED}`));
  const shapes = packed.map(([name, words]) => packedShapeTensor(words, name.slice(0, -PACKED.length), tensors));
  // A server answers once for many.
  const read = await readRanges(shapes.map(bytesOf));
  const last = packed.map(([name], index) => {
    const [shape, bytes] = [shapes[index], read[index]];
    if (shape === undefined || bytes === undefined) throw new RangeError(`nothing was read for ${name}`);
    return packedWeight(name.slice(0, -PACKED.length), packedShape(shape, bytes), packing, tensors);
  });
  const taken = last.flatMap(({ name }) => PACKED_PARTS.map((part) => name + part));
  return { inPlace: new Map(), last, taken: new Set(taken) };
}
