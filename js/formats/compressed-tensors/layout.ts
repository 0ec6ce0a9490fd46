import { planeBytes, traitsOf, type Codec } from '../../codecs/codec.js';
import type { PlannedEntry } from '../../containers/container.js';
import type { OutputLayout, TensorParts } from '../../layouts/layout.js';
import { plain } from '../../layouts/plain.js';
import type { PlannedTensor } from '../../layouts/tensor.js';
import { packDown, packedRows } from './zero-points.js';

const INTEGERS = 'ct_int_';
const NVFP4 = 'ct_nvfp4_';
const MXFP4 = 'ct_mxfp4_';
const MXFP8 = 'ct_mxfp8_';
const WEIGHT = '.weight';
const WORD_BYTES = 4;
/** The plane of integers' zero points. */
const ZERO_POINTS = 2;

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
  partsOf,
  textsOf: () => new Map(),
};

/** Bytes of all entries of a tensor. */
export const writtenBytes = (tensor: PlannedTensor): number =>
  compressedTensors.entriesOf(tensor).reduce((sum, { bytes }) => sum + bytes, 0);

const isOwn = (codec: Codec): boolean => kindOf(codec) !== '';

/** What the names of its kind of codecs begin with; an empty text for others. */
const kindOf = ({ name }: Codec): string =>
  [INTEGERS, NVFP4, MXFP4, MXFP8].find((prefix) => name.startsWith(prefix)) ?? '';

const ownCodec = ({ target }: PlannedTensor): Codec | null =>
  target.kind === 'codec' && isOwn(target.codec) ? target.codec : null;

/** An entry, and what it is made of. */
interface Described {
  readonly entry: PlannedEntry;
  readonly content: TensorParts['contents'][number];
}

/** Null where the entries are the planes. */
function partsOf(tensor: PlannedTensor): TensorParts | null {
  const codec = ownCodec(tensor);
  if (codec === null || kindOf(codec) !== INTEGERS) return null;
  const contents = describe(tensor).map(({ content }) => content);
  if (codec.symmetric) return { contents, kept: [] };
  const { groups } = sizesOf(tensor, codec);
  const make = ([zeroPoints = new Uint8Array()]: readonly Uint8Array[]): Promise<readonly Uint8Array[]> =>
    Promise.resolve([packDown(zeroPoints, groups, codec.bits)]);
  return { contents, kept: [ZERO_POINTS], make };
}

interface Sizes {
  readonly rows: number;
  readonly columns: number;
  /** Scales of a row. */
  readonly groups: number;
}

function sizesOf({ shape, elements }: PlannedTensor, codec: Codec): Sizes {
  const columns = shape.at(-1) ?? 0;
  const group = codec.groupSize === 0 ? (traitsOf(codec).planes[1]?.unitWeights ?? 1) : codec.groupSize;
  return { rows: columns === 0 ? 0 : elements / columns, columns, groups: columns / Number(group) };
}

/** Words of a row; bytes where there are no words. */
const PACKED: Readonly<Record<string, readonly [suffix: string, dtype: string, bits: number]>> = {
  [INTEGERS]: ['_packed', 'I32', 32],
  [NVFP4]: ['_packed', 'U8', 8],
  [MXFP4]: ['_packed', 'U8', 8],
  [MXFP8]: ['', 'F8_E4M3', 8],
};

/** The weights, the scales, and what the kind of codec has besides. */
function describe(tensor: PlannedTensor): readonly Described[] {
  const codec = ownCodec(tensor);
  if (codec === null) return [];
  const { rows, columns, groups } = sizesOf(tensor, codec);
  const stem = tensor.name.endsWith(WEIGHT) ? tensor.name.slice(0, -WEIGHT.length) : tensor.name;
  const entry = (suffix: string, dtype: string, shape: readonly number[], bytes: number): PlannedEntry => {
    return { name: `${stem}.weight${suffix}`, type: { name: dtype }, shape, bytes };
  };
  const plane = (index: number, suffix: string, dtype: string, shape: readonly number[]): Described => {
    return { entry: entry(suffix, dtype, shape, planeBytes(codec, index, tensor.elements)), content: index };
  };
  const [suffix = '', dtype = 'U8', bits = 8] = PACKED[kindOf(codec)] ?? [];
  const scales = traitsOf(codec).planes[1]?.element ?? 'U8';
  const all = [
    plane(0, suffix, dtype, [rows, (columns * levelBits(codec)) / bits]),
    plane(1, '_scale', scales, [rows, groups]),
  ];
  if (kindOf(codec) === NVFP4) return [...all, plane(2, '_global_scale', 'F32', [1])];
  if (kindOf(codec) !== INTEGERS) return all;
  const shape: Described = { entry: entry('_shape', 'I64', [2], 16), content: longs(rows, columns) };
  if (codec.symmetric) return [...all, shape];
  const down = packedRows(rows, codec.bits);
  const zeroPoints = entry('_zero_point', 'I32', [down, groups], down * groups * WORD_BYTES);
  return [...all, shape, { entry: zeroPoints, content: 'made' }];
}

const levelBits = (codec: Codec): number =>
  codec.bits === 0 ? (traitsOf(codec).planes[0]?.unitBits ?? 0) : codec.bits;

const longs = (...numbers: readonly number[]): Uint8Array => new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
