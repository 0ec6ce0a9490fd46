import { planeBytes, traitsOf, type Codec } from '../../codecs/codec.js';
import type { EntryType, PlannedEntry } from '../../containers/container.js';
import type { OutputLayout, TensorParts } from '../../layouts/layout.js';
import { plain } from '../../layouts/plain.js';
import type { PlannedTensor } from '../../layouts/tensor.js';
import { packDown, packedRows } from './zero-points.js';

const INTEGERS = 'ct_int_';
const NVFP4 = 'ct_nvfp4_';
const MXFP4 = 'ct_mxfp4_';
const WEIGHT = '.weight';
const WORD_BYTES = 4;
const NVFP4_BLOCK = 16;
const MXFP4_BLOCK = 32;

/** Names of the planes of the codecs. */
const ZERO_POINTS = 'zero_points';

/**
 * The entries of compressed-tensors for a tensor `x.weight`: `x.weight_packed` with `x.weight_scale`, and for integers
 * `x.weight_shape`, where they are not symmetric `x.weight_zero_point`, packed down the columns; for NVFP4
 * `x.weight_global_scale`. What is not quantized lies as it is.
 */
export const compressedTensors: OutputLayout = {
  name: 'compressed-tensors',
  admits: (codec) => (isOwn(codec) ? null : plain.admits(codec)),
  entriesOf: (tensor) =>
    ownCodec(tensor) === null ? plain.entriesOf(tensor) : describe(tensor).map(({ entry }) => entry),
  partsOf: (tensor) => (ownCodec(tensor) === null ? null : partsOf(tensor)),
  textsOf: () => new Map(),
};

/** Bytes of all entries of a tensor. */
export const writtenBytes = (tensor: PlannedTensor): number =>
  compressedTensors.entriesOf(tensor).reduce((sum, { bytes }) => sum + bytes, 0);

const isOwn = ({ name }: Codec): boolean => [INTEGERS, NVFP4, MXFP4].some((prefix) => name.startsWith(prefix));

const ownCodec = ({ target }: PlannedTensor): Codec | null =>
  target.kind === 'codec' && isOwn(target.codec) ? target.codec : null;

/** An entry, and what it is made of. */
interface Described {
  readonly entry: PlannedEntry;
  readonly content: TensorParts['contents'][number];
}

function partsOf(tensor: PlannedTensor): TensorParts {
  const contents = describe(tensor).map(({ content }) => content);
  const codec = ownCodec(tensor);
  if (codec === null || !contents.includes('made')) return { contents, kept: [] };
  const { groups } = sizesOf(tensor, codec);
  const make = ([zeroPoints = new Uint8Array()]: readonly Uint8Array[]): Promise<readonly Uint8Array[]> =>
    Promise.resolve([packDown(zeroPoints, groups, codec.bits)]);
  return { contents, kept: [planeOf(codec, ZERO_POINTS)], make };
}

const planeOf = (codec: Codec, name: string): number =>
  traitsOf(codec).planes.findIndex((plane) => plane.name === name);

interface Sizes {
  readonly rows: number;
  readonly columns: number;
  /** Scales of a row. */
  readonly groups: number;
}

function sizesOf({ shape, elements }: PlannedTensor, { name, groupSize }: Codec): Sizes {
  const columns = shape.at(-1) ?? 0;
  const group = name.startsWith(INTEGERS) ? groupSize : name.startsWith(NVFP4) ? NVFP4_BLOCK : MXFP4_BLOCK;
  return { rows: columns === 0 ? 0 : elements / columns, columns, groups: columns / group };
}

/** The element type of the scales, which codecs name at the end. */
const dtypeOf = ({ name }: Codec): string => name.slice(name.lastIndexOf('_') + 1).toUpperCase();

function describe(tensor: PlannedTensor): readonly Described[] {
  const codec = ownCodec(tensor);
  if (codec === null) return [];
  const { rows, columns, groups } = sizesOf(tensor, codec);
  const stem = tensor.name.endsWith(WEIGHT) ? tensor.name.slice(0, -WEIGHT.length) : tensor.name;
  const plane = (index: number, suffix: string, dtype: string, shape: readonly number[]): Described => {
    return { entry: entry(suffix, dtype, shape, planeBytes(codec, index, tensor.elements)), content: index };
  };
  const entry = (suffix: string, dtype: string, shape: readonly number[], bytes: number): PlannedEntry => {
    const type: EntryType = { name: dtype };
    return { name: `${stem}.weight_${suffix}`, type, shape, bytes };
  };
  if (!codec.name.startsWith(INTEGERS)) {
    const scales = codec.name.startsWith(NVFP4) ? 'F8_E4M3' : 'U8';
    const both = [plane(0, 'packed', 'U8', [rows, columns / 2]), plane(1, 'scale', scales, [rows, groups])];
    return codec.name.startsWith(NVFP4) ? [...both, plane(2, 'global_scale', 'F32', [1])] : both;
  }
  const words = (columns * codec.bits) / 32;
  const shape = entry('shape', 'I64', [2], 16);
  const down = packedRows(rows, codec.bits);
  const zeroPoints = entry('zero_point', 'I32', [down, groups], down * groups * WORD_BYTES);
  return [
    plane(0, 'packed', 'I32', [rows, words]),
    plane(planeOf(codec, 'scales'), 'scale', dtypeOf(codec), [rows, groups]),
    { entry: shape, content: longs(rows, columns) },
    ...(codec.symmetric ? [] : [{ entry: zeroPoints, content: 'made' as const }]),
  ];
}

const longs = (...numbers: readonly number[]): Uint8Array => new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
