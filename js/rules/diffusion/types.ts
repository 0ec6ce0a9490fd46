/**
 * What a diffusion model's tensors become. ComfyUI-GGUF does it in two steps, a converter that writes F16, BF16 and F32,
 * and a changed llama.cpp that quantizes that file; here each tensor goes to its last type at once.
 */

import type { OutputForm, TypeChoice, TypeRequest } from '../decision.js';
import { BASE_TYPES, ggmlRank, isBlockType, rowWeights } from '../file-types.js';
import { fitting } from '../fallbacks.js';
import type { TensorDescription } from '../rule.js';
import { asItIs, type PlacedTensor, type Rulebook } from '../rulebook.js';
import { isDecoded, undecodedBecause } from '../type-rules.js';
import type { DiffusionFamily } from './families.js';
import { DiffusionMixture } from './mixture.js';
import { contains } from './names.js';

const MOST_DIMENSIONS = 4;
const SMALL_TENSOR = 1024;
const FEWEST_TO_RESHAPE = 512;
const RESHAPED_ROW = 256;

/** Types that the program takes for any tensor, as they lie in the file. */
const PLAIN_TYPES: readonly string[] = ['F32', 'F16'];

/** Where the tensors of a family lie in a model. */
export interface DiffusionSource {
  readonly family: DiffusionFamily;
  /** What its tensors' names begin with; others belong to other parts of a checkpoint. */
  readonly prefix: string;
  /** Whether names and shapes are those of the output already: such a model has had the first of the two steps. */
  readonly hasFinalNames: boolean;
}

/** What ComfyUI-GGUF opens. */
export function diffusionRulebook({ target, pure }: TypeRequest, source: DiffusionSource): Rulebook {
  const { family, prefix, hasFinalNames } = source;
  return {
    prefix,
    leftOutBecause: ({ name }) => leftOutBecause(name, source),
    outputOf: (tensor) => {
      const name = tensor.name.slice(prefix.length);
      return hasFinalNames ? renamed(family, tensor, name) : outputForm(family, tensor, name);
    },
    keptBecause: ({ tensor, output }) =>
      isDecoded(tensor) ? keptBecause(family, output) : undecodedBecause(tensor.dtype),
    neededType: ({ tensor, output }) => {
      const isLoaded = !isDecoded(tensor) || PLAIN_TYPES.includes(tensor.dtype);
      return isLoaded ? null : neededType(family, output);
    },
    typesOf: (open) => {
      const mixture = pure ? null : new DiffusionMixture(target);
      return new Map(open.map((placed) => [placed.tensor, typeOf(source, placed, target, mixture)]));
    },
  };
}

function leftOutBecause(name: string, { family, prefix, hasFinalNames }: DiffusionSource): string | null {
  if (!name.startsWith(prefix)) return `not in ${prefix}`;
  const isPart = hasFinalNames || !contains(family.ignore, name.slice(prefix.length));
  return isPart ? null : `${family.name}: no part of the model`;
}

const shapeFact = (name: string, values: readonly number[]): OutputForm['keyValues'] => [
  { key: `comfy.gguf.orig_shape.${name}`, values },
];

/** What stable-diffusion.cpp makes convolutions of, and ComfyUI wants as the matrices that they are in SDXL. */
const PROJECTION = /\.proj_(?:in|out)\.weight$/u;

/** A tensor of a GGUF; what its shape was before goes by its name. */
function renamed(family: DiffusionFamily, tensor: TensorDescription, name: string): OutputForm {
  const { shape, originalShape } = tensor;
  const isFlat = shape.length > 2 && shape.slice(2).every((extent) => extent === 1);
  if (family.name === 'sdxl' && isFlat && PROJECTION.test(name))
    return { name, shape: shape.slice(0, 2), keyValues: [] };
  if (name === tensor.name || originalShape === undefined) return { ...asItIs(tensor), name };
  return { name, shape, keyValues: shapeFact(name, originalShape) };
}

/** The output's name and shape. A tensor of a U-Net whose rows are no whole blocks becomes rows of 256. */
function outputForm(family: DiffusionFamily, { shape, elements }: TensorDescription, name: string): OutputForm {
  const reshapes =
    family.reshapes === true &&
    shape.length > 1 &&
    shape.length <= MOST_DIMENSIONS &&
    elements >= FEWEST_TO_RESHAPE &&
    elements % RESHAPED_ROW === 0 &&
    rowWeights(shape) % RESHAPED_ROW !== 0;
  if (!reshapes) return { name, shape, keyValues: [] };
  return { name, shape: [elements / RESHAPED_ROW, RESHAPED_ROW], keyValues: shapeFact(name, shape) };
}

/** A parameter of a module's own: the program takes it as it lies in the file, and understands F32 and F16 then. */
const isParameter = (name: string): boolean => !name.endsWith('weight') && !name.endsWith('bias');

/** What must be of one type for the program to open the file, whatever else is asked for; null where nothing must. */
function neededType(family: DiffusionFamily, { name, shape }: OutputForm): TypeChoice | null {
  if (shape.length > MOST_DIMENSIONS) return { type: 'F32', rule: `rank ${shape.length}` };
  if (isParameter(name)) return { type: 'F32', rule: 'parameter' };
  if (contains(family.highPrecision, name)) return { type: 'F32', rule: `${family.name}: high precision` };
  return contains(family.half, name) && shape.length > 1 ? { type: 'F16', rule: `${family.name}: F16` } : null;
}

/** What the converter's file has, before anything is quantized; `why` says why it is not. */
function unquantized(family: DiffusionFamily, { tensor, output }: PlacedTensor, why: string): TypeChoice {
  const needed = neededType(family, output);
  if (needed?.type === 'F32') return needed;
  if (tensor.dtype !== 'F32' && tensor.dtype !== 'BF16') return { type: 'F16', rule: why };
  if (output.shape.length <= 1) return { type: 'F32', rule: 'rank below 2' };
  // One-dimensional convolutions are not decoded.
  if (output.shape.length === 3 && tensor.dtype === 'BF16') return { type: 'F32', rule: 'rank 3' };
  if (tensor.elements <= SMALL_TENSOR) return { type: 'F32', rule: `at most ${SMALL_TENSOR} elements` };
  return needed ?? { type: tensor.dtype === 'BF16' ? 'BF16' : 'F16', rule: why };
}

/** Why a matrix is not quantized; null when it is. */
function keptBecause(family: DiffusionFamily, { name, shape }: OutputForm): string | null {
  if (shape.length > MOST_DIMENSIONS) return `rank ${shape.length}`;
  if (ggmlRank(shape) !== 2) return ggmlRank(shape) < 2 ? 'rank below 2' : 'rank above 2';
  if (!name.endsWith('weight')) return isParameter(name) ? 'parameter' : 'no weight';
  if (name.includes('_norm.weight')) return 'norm';
  const isKept = [family.keep, family.highPrecision, family.half].some((parts) => contains(parts, name));
  return isKept ? `${family.name}: keep` : null;
}

/** What becomes of one tensor of a family. `mixture` is null for a pure file. */
function typeOf(
  { family, hasFinalNames }: DiffusionSource,
  placed: PlacedTensor,
  target: TypeRequest['target'],
  mixture: DiffusionMixture | null,
): TypeChoice {
  const { tensor, output } = placed;
  if (!isDecoded(tensor)) return { type: 'keep', rule: undecodedBecause(tensor.dtype) };
  if (target === 'F32') return { type: 'F32', rule: 'all F32' };
  const why = keptBecause(family, output);
  if (why !== null) {
    if (!hasFinalNames) return unquantized(family, placed, why);
    const needed = PLAIN_TYPES.includes(tensor.dtype) ? null : neededType(family, output);
    return needed ?? { type: 'keep', rule: why };
  }
  const base = BASE_TYPES[target];
  return fitting(
    isBlockType(base) && mixture !== null ? mixture.next(output.name) : { type: base, rule: 'matrix' },
    output.shape,
  );
}
