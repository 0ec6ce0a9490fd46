import type { CodedTensor, Tensor } from '../../../layouts/tensor.js';
import { storedBytes } from '../../../layouts/tensor.js';
import { damaged, needed, undecodable, type Decoding, type Format, type Layer } from '../layer.js';
import { E4M3, E8M0, type Numbers } from '../numbers.js';
import { scaledTensor } from '../scaled-tensor.js';
import { tileGrid } from '../spread.js';
import { objectIn } from '../../model-config.js';

/** Weights are stored in words of so many bits. */
const WORD_BITS = 32;

/** Bits and group sizes that MLX has for integers. */
const BITS: readonly number[] = [2, 3, 4, 5, 6, 8];
const GROUP_SIZES: readonly number[] = [32, 64, 128];

/** The types of scales, and the codecs of integers that are computed with in each of them. */
const INTEGER_CODECS: Readonly<Record<string, string>> = { F32: 'mlx_f32', F16: 'mlx_f16', BF16: 'mlx_bf16' };

/** How a module is quantized. */
interface Way {
  readonly mode: string;
  readonly bits: number;
  readonly groupSize: number;
}

const INTEGERS = 'affine';
/** What a mode has where config.json does not say: those that are floats have nothing else. */
const USUAL: Readonly<Record<string, Way>> = {
  [INTEGERS]: { mode: INTEGERS, bits: 4, groupSize: 64 },
  mxfp4: { mode: 'mxfp4', bits: 4, groupSize: 32 },
  nvfp4: { mode: 'nvfp4', bits: 4, groupSize: 16 },
  mxfp8: { mode: 'mxfp8', bits: 8, groupSize: 32 },
};

const isQuantized = ({ weight, beside }: Layer): boolean => weight.dtype === 'U32' && beside('.scales') !== undefined;

/**
 * Weights of MLX: in words of 32 bits, the first one in the lowest bits, row by row; of two or more dimensions, where those
 * before the last are all rows. `scales` and `biases` have one number for each group of a row. Integers (mode affine): weight =
 * scale · element + bias, both steps rounded to the type of the scales, as MLX does on CPUs. Floats have no biases, and their
 * scales are bytes: E8M0 for each 32 weights (mxfp4: E2M1, mxfp8: E4M3), or E4M3 for each 16 (nvfp4: E2M1); weight = element ·
 * scale, which is exact. Bits and group size are those of config.json, or follow from the shapes where only one pair can be.
 */
export const mlx: Format = {
  fits: isQuantized,
  asksConfig: ({ beside }) => beside('.biases') !== undefined,
  open: (layer) => {
    const scales = needed(layer, '.scales');
    const { weight } = layer;
    const words = weight.shape.at(-1) ?? 0;
    const groups = scales.shape.at(-1) ?? 0;
    const rows = weight.elements / Math.max(words, 1);
    const isAlike = (tensor: Tensor): boolean =>
      String(tensor.shape) === String([...weight.shape.slice(0, -1), groups]);
    if (weight.shape.length < 2 || weight.elements === 0 || groups === 0 || !isAlike(scales)) {
      throw damaged(layer, 'has not the shape that its scales are for');
    }
    const way = wayOf(layer, { words, groups });
    const columns = (words * WORD_BITS) / way.bits;
    const form = { layer, scales, rows, columns, way, shape: [...weight.shape.slice(0, -1), columns] };
    if (way.mode !== INTEGERS) return floats(form);
    const biases = needed(layer, '.biases');
    if (!isAlike(biases) || biases.dtype !== scales.dtype) throw damaged(layer, 'has not one bias for each scale');
    return integers({ ...form, biases });
  },
};

interface Counts {
  readonly words: number;
  readonly groups: number;
}

/** Whether rows of so many words have so many groups. */
const fitsShape = ({ bits, groupSize }: Way, { words, groups }: Counts): boolean =>
  (words * WORD_BITS) / bits === groups * groupSize;

function wayOf(layer: Layer, counts: Counts): Way {
  const isInteger = layer.beside('.biases') !== undefined;
  const said = isInteger ? saidOf(layer) : undefined;
  if (said !== undefined) {
    if (isInteger === (said.mode === INTEGERS) && fitsShape(said, counts)) return said;
    throw damaged(layer, `has not the shape that ${labelOf(said)} in config.json takes`);
  }
  const all = isInteger
    ? BITS.flatMap((bits) => GROUP_SIZES.map((groupSize) => ({ mode: INTEGERS, bits, groupSize })))
    : Object.values(USUAL).filter(({ mode }) => mode !== INTEGERS);
  const [way, ...others] = all.filter((one) => fitsShape(one, counts));
  if (way === undefined) throw damaged(layer, 'has not the shape that its scales are for');
  if (others.length === 0) return way;
  const labels = [way, ...others].map(labelOf).join(' or ');
  throw damaged(layer, `may be ${labels}; put the model's config.json beside the file, which says what it is`);
}

const labelOf = ({ mode, bits, groupSize }: Way): string =>
  mode === INTEGERS ? `int${bits} g${groupSize}` : `${mode} (${bits} bits, groups of ${groupSize})`;

/** What config.json says of a layer; undefined where it says nothing. */
function saidOf(layer: Layer): Way | undefined {
  const { modelConfig, stem } = layer;
  const said = objectIn(modelConfig, 'quantization') ?? objectIn(modelConfig, 'quantization_config');
  if (said === null) return undefined;
  const own = Object.hasOwn(said, stem) ? said[stem] : said;
  if (own === false) throw damaged(layer, 'is quantized, but config.json says that it is not');
  const { mode = INTEGERS, bits, group_size: groupSize } = objectIn({ own }, 'own') ?? said;
  const usual = typeof mode === 'string' && Object.hasOwn(USUAL, mode) ? USUAL[mode] : undefined;
  if (usual === undefined) throw undecodable(layer, `MLX's mode ${JSON.stringify(mode)}`);
  const way = { mode: usual.mode, bits: Number(bits ?? usual.bits), groupSize: Number(groupSize ?? usual.groupSize) };
  if (way.mode !== INTEGERS || (BITS.includes(way.bits) && GROUP_SIZES.includes(way.groupSize))) return way;
  throw undecodable(layer, `MLX's ${labelOf(way)}`);
}

interface Form {
  readonly layer: Layer;
  readonly scales: Tensor;
  readonly rows: number;
  readonly columns: number;
  readonly way: Way;
  readonly shape: readonly number[];
}

function integers({ layer, scales, rows, columns, way, shape, biases }: Form & { biases: Tensor }): Decoding {
  const { weight } = layer;
  const name = Object.hasOwn(INTEGER_CODECS, scales.dtype) ? INTEGER_CODECS[scales.dtype] : undefined;
  if (name === undefined) throw damaged(layer, `has scales that are no floats, but ${scales.dtype}`);
  const parts = [scales, biases];
  const decode = (): CodedTensor => ({
    name: weight.name,
    shape,
    elements: rows * columns,
    dtype: scales.dtype,
    planes: [weight, ...parts].map(({ planes }) => planes[0] ?? []),
    codec: { name, bits: way.bits, groupSize: way.groupSize, symmetric: false },
    format: `mlx ${labelOf(way)}`,
    fileBytes: [weight, ...parts].reduce((bytes, part) => bytes + storedBytes(part), 0),
  });
  return { reads: [], parts, decode };
}

/** The codec of a mode's elements, and what its scales are. */
const FLOATS: Readonly<Record<string, readonly [codec: string, numbers: Numbers]>> = {
  mxfp4: ['E2M1_SCALED', E8M0],
  nvfp4: ['E2M1_SCALED', E4M3],
  mxfp8: ['F8_E4M3_SCALED', E8M0],
};

function floats({ layer, scales, rows, columns, way, shape }: Form): Decoding {
  const [codec, numbers] = FLOATS[way.mode] ?? ['E2M1_SCALED', E8M0];
  if (scales.dtype !== 'U8') throw damaged(layer, `has scales of ${scales.dtype}, and no biases`);
  const spread = { tensor: scales, numbers, grid: tileGrid(rows, columns, 1, way.groupSize) };
  const form = { layer, codec, format: `mlx ${way.mode}`, scales: spread, parts: [scales], shape };
  return { reads: [], parts: [scales], decode: () => scaledTensor(form) };
}
