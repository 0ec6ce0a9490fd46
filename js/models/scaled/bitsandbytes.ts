import { MAX_RANK, elementCount } from '../../containers/dtypes.js';
import { quoted } from '../../containers/invalid-file.js';
import { parseJsonObject } from '../../containers/json.js';
import { sourceOf, type Tensor } from '../../layouts/tensor.js';
import { bytesOf, damaged, needed, undecodable, type Format, type Layer } from './layer.js';
import { floatsOf } from './numbers.js';
import { scaledTensor } from './scaled-tensor.js';
import { blockGrid, type Scales } from './spread.js';

const KINDS = ['nf4', 'fp4'] as const;
const STATE = '.weight.quant_state.bitsandbytes__';
/** Far more than such a text takes. */
const MOST_STATE_BYTES = 4096;
const LEAST_BLOCK = 32;
const MOST_BLOCK = 2 ** 20;

/** Scales that are quantized themselves: so many share one. */
const NESTED_BLOCK = 256;

/**
 * NF4 and FP4 of bitsandbytes: two elements in a U8, the first one in the high bits, of the flattened tensor, with an F32 for
 * each block of it. Weight = value of the element · scale, in f32. The values of the elements are those of the library: the
 * table that files carry must say the same. With double quantization a scale is nested_quant_map[U8] · nested_absmax + offset,
 * each step rounded to f32.
 */
export const bitsandbytes: Format = {
  fits: (layer) => layer.weight.dtype === 'U8' && stateOf(layer) !== undefined,
  open: (layer) => {
    const state = stateOf(layer);
    if (state === undefined) throw damaged(layer, 'has no quant_state beside it');
    const { kind, tensor: text } = state;
    if (text.elements > MOST_STATE_BYTES) throw damaged(layer, `has a quant_state of ${text.elements} bytes`);
    const absmax = needed(layer, '.weight.absmax');
    const map = f32Of(layer, '.weight.quant_map', 16);
    const nested = absmax.dtype === 'U8' ? nestedOf(layer, absmax) : [];
    return {
      reads: [text, map, ...nested].map(bytesOf),
      parts: [text, absmax, map, ...nested],
      decode: ([json = new Uint8Array(), values = new Uint8Array(), ...tables]) => {
        checkValues(layer, kind, values);
        const read = readState(layer, json);
        const { shape, block, dtype } = read;
        const grid = gridFor(layer, absmax, shape, block);
        const scales = { tensor: absmax, grid, ...numbersOf(layer, absmax, read, tables) };
        const parts = [text, absmax, map, ...nested];
        return scaledTensor({ layer, codec: `bnb_${kind}`, format: `bnb ${kind}`, scales, parts, shape, dtype });
      },
    };
  },
};

/** The F32 tensor of that name, of so many elements. */
function f32Of(layer: Layer, suffix: string, elements: number): Tensor {
  const tensor = needed(layer, suffix);
  if (tensor.dtype === 'F32' && tensor.elements === elements) return tensor;
  throw damaged(layer, `needs ${elements} F32 in ${suffix.slice(1)}, and has ${tensor.elements} ${tensor.dtype}`);
}

const nestedOf = (layer: Layer, absmax: Tensor): readonly Tensor[] => [
  f32Of(layer, '.weight.nested_quant_map', 256),
  f32Of(layer, '.weight.nested_absmax', Math.ceil(absmax.elements / NESTED_BLOCK)),
];

/** How the scales are stored. */
function numbersOf(
  layer: Layer,
  absmax: Tensor,
  { nestedOffset }: State,
  [map, scales]: readonly Uint8Array[],
): Pick<Scales, 'numbers' | 'adjust'> {
  if (map === undefined || scales === undefined) return { numbers: floatsOf(layer, absmax) };
  if (nestedOffset === undefined)
    throw damaged(layer, 'has nested scales, but no valid nested_blocksize and nested_offset');
  const [values, factors] = [map, scales].map(viewOf);
  const offset = Math.fround(nestedOffset);
  const at = (view: DataView | undefined, index: number): number => view?.getFloat32(4 * index, true) ?? NaN;
  return {
    numbers: { bytes: 1, at: (view, position) => view.getUint8(position) },
    adjust: (code, index) => Math.fround(at(values, code) * at(factors, Math.floor(index / NESTED_BLOCK))) + offset,
  };
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

type Kind = (typeof KINDS)[number];

function stateOf({ beside }: Layer): { readonly kind: Kind; readonly tensor: Tensor } | undefined {
  for (const kind of KINDS) {
    const tensor = beside(STATE + kind);
    if (tensor !== undefined) return { kind, tensor };
  }
  return undefined;
}

/** The library's values, as exact as F32 has them. */
const VALUES: Readonly<Record<Kind, readonly number[]>> = {
  nf4: [
    ...[-1, -0.6961928, -0.5250731, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0],
    ...[0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1],
  ],
  fp4: [
    ...[0, 0.0052083335, 0.6666667, 1, 0.33333334, 0.5, 0.16666667, 0.25],
    ...[0, -0.0052083335, -0.6666667, -1, -0.33333334, -0.5, -0.16666667, -0.25],
  ],
};

function checkValues(layer: Layer, kind: Kind, bytes: Uint8Array): void {
  const view = viewOf(bytes);
  const isOther = VALUES[kind].some((value, index) => Math.abs(view.getFloat32(4 * index, true) - value) > 1e-6);
  if (isOther) throw undecodable(layer, `${kind} with a quant_map of its own`);
}

const DTYPES: Readonly<Record<string, string>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' };

interface State {
  readonly shape: readonly number[];
  readonly block: number;
  readonly dtype: string;
  /** Undefined where nothing valid is said of nested scales. */
  readonly nestedOffset: number | undefined;
}

function readState(layer: Layer, json: Uint8Array): State {
  const said = parseJsonObject(json, sourceOf(layer.weight), `the quant_state of ${quoted(layer.weight.name)}`, 0);
  const { shape, blocksize, dtype, nested_offset: offset } = said;
  const isShape = Array.isArray(shape) && shape.length <= MAX_RANK && !Number.isNaN(elementCount(shape));
  const isBlock =
    typeof blocksize === 'number' &&
    Number.isInteger(Math.log2(blocksize)) &&
    blocksize >= LEAST_BLOCK &&
    blocksize <= MOST_BLOCK;
  const name = typeof dtype === 'string' && Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
  if (!isShape || !isBlock || name === undefined) {
    throw damaged(layer, 'has a quant_state without a valid shape, blocksize or dtype');
  }
  const isNested = typeof offset === 'number' && said['nested_blocksize'] === NESTED_BLOCK;
  return { shape: shape as number[], block: blocksize, dtype: name, nestedOffset: isNested ? offset : undefined };
}

function gridFor(layer: Layer, absmax: Tensor, shape: readonly number[], block: number): ReturnType<typeof blockGrid> {
  const elements = elementCount(shape);
  if (layer.weight.elements !== Math.ceil(elements / 2) || absmax.elements !== Math.ceil(elements / block)) {
    throw damaged(layer, `has not the bytes and scales that a shape of [${shape.join(', ')}] takes`);
  }
  return blockGrid(elements, block);
}
