import { planeBytes, traitsOf, unitWeightsOf, type Codec, type Plane } from '../codecs/codec.js';
import { invalidFile } from '../containers/invalid-file.js';
import { QuantizeError, quoted } from '../errors.js';
import type { ByteRange } from '../io/byte-io.js';
import { sourceOf, type CodedTensor, type StoredPlane, type Tensor } from '../layouts/tensor.js';
import { WINDOW_WEIGHTS, type LeasedWindow, type SourceCodec } from '../wasm/windows.js';
import { inputOf } from './piece-input.js';
import type { PieceInput } from './pipeline.js';

/** A stretch of a tensor that fits into a heap window. */
export interface Stretch {
  readonly index: number;
  readonly first: number;
  readonly weights: number;
}

/**
 * The stretches that a tensor of `elements` elements is dealt with in, as long as windows allow and multiples of `unit`, but
 * for the last; one empty stretch for an empty tensor.
 */
export function stretchesOf(elements: number, unit = 1): Stretch[] {
  const most = elements <= WINDOW_WEIGHTS ? WINDOW_WEIGHTS : Math.floor(WINDOW_WEIGHTS / unit) * unit;
  if (most === 0) throw new RangeError(`${unit} weights cannot be cut, and are more than a window has room for`);
  const count = Math.max(1, Math.ceil(elements / most));
  return Array.from({ length: count }, (_, index) => {
    const first = index * most;
    return { index, first, weights: Math.min(most, elements - first) };
  });
}

/** Weights that stretches are multiples of: whole rows, where the target's encoder wants those, that begin with a whole unit of the source. */
export function stretchUnit(source: Codec, row: number): number {
  const unit = unitOf(source);
  return (row / greatestCommonDivisor(row, unit)) * unit;
}

/** Weights that are whole units and bytes of all of a codec's planes: units are powers of two. */
const unitOf = (codec: Codec): number => {
  const { planes, blockWeights } = traitsOf(codec);
  return planes.reduce((most, plane) => {
    const bits = plane.unitBits === 0 ? codec.bits : plane.unitBits;
    return Math.max(most, unitWeightsOf(codec, plane) * (8 / greatestCommonDivisor(8, bits)));
  }, blockWeights);
};

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/** Whether a plane is of units that span the whole tensor: every stretch has all of it. */
const isShared = (codec: Codec, plane: Plane): boolean => unitWeightsOf(codec, plane) === 0;

/** Bytes of a plane. */
export interface PlaneCut {
  readonly begin: number;
  readonly bytes: number;
}

/** What a stretch has of each of the codec's planes. Stretches begin with a unit, but for those that span everything. */
export const cutsOf = (codec: Codec, { first, weights }: Pick<Stretch, 'first' | 'weights'>): readonly PlaneCut[] =>
  traitsOf(codec).planes.map((shape, plane) => {
    if (isShared(codec, shape)) return { begin: 0, bytes: planeBytes(codec, plane, weights) };
    const begin = planeBytes(codec, plane, first);
    return { begin, bytes: planeBytes(codec, plane, first + weights) - begin };
  });

/** The ranges in which bytes of a plane lie. */
export function rangesOf(plane: StoredPlane, { begin, bytes }: PlaneCut): ByteRange[] {
  const ranges: ByteRange[] = [];
  let before = 0;
  for (const range of plane) {
    const from = Math.max(begin - before, 0);
    const to = Math.min(begin + bytes - before, range.bytes);
    if (from < to) ranges.push({ source: range.source, begin: range.begin + from, bytes: to - from });
    before += range.bytes;
  }
  return ranges;
}

/** The half of a window that a stretch goes into. */
export type WindowHalf = 'input' | 'output';

/** The bytes of stretches of tensors, on their way into halves of a window. */
export function inputOfStretches(
  sides: readonly { readonly tensor: CodedTensor; readonly half: WindowHalf }[],
  stretch: Stretch,
): PieceInput {
  const cut = sides.map(({ tensor, half }) => {
    const cuts = cutsOf(tensor.codec, stretch);
    return { tensor, half, ranges: cuts.map((one, plane) => rangesOf(tensor.planes[plane] ?? [], one)) };
  });
  const viewsOf = (window: LeasedWindow): Uint8Array[] =>
    cut.flatMap(({ tensor, half, ranges }) => {
      const planes = window[half](stretch.weights, tensor.codec);
      return ranges.flatMap((parts, plane) => viewsFor(parts, planes[plane] ?? new Uint8Array()));
    });
  return inputOf(
    cut.flatMap(({ ranges }) => ranges.flat()),
    viewsOf,
  );
}

/** The bytes of a stretch of a tensor, on their way into a window. */
export const inputOfStretch = (tensor: CodedTensor, stretch: Stretch): PieceInput =>
  inputOfStretches([{ tensor, half: 'input' }], stretch);

function viewsFor(ranges: readonly ByteRange[], plane: Uint8Array): Uint8Array[] {
  let begin = 0;
  return ranges.map(({ bytes }) => plane.subarray(begin, (begin += bytes)));
}

/** A tensor as windows see it, which pass it on to workers. */
export const sourceCodecOf = ({ codec, scale }: CodedTensor): SourceCodec => ({ codec, scale });

/** Runs `work` on weights of the tensor from `first` on; failures about it learn which tensor's they are. */
export async function locating<Value>(
  tensor: Pick<Tensor, 'name' | 'planes'>,
  first: number,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw located(tensor, first, error);
  }
}

/** An error of a window, with the names of file and tensor, and an index that counts from the tensor's first weight. */
export function located(tensor: Pick<Tensor, 'name' | 'planes'>, first: number, error: unknown): unknown {
  if (!(error instanceof QuantizeError) || error.layer !== undefined) return error;
  const { name } = tensor;
  const { code, index, detail } = error;
  if (code === 'invalid_file') {
    return invalidFile(sourceOf(tensor), `tensor ${quoted(name)} ${detail ?? 'cannot be'}`, {
      layer: name,
      cause: error,
    });
  }
  if (index === undefined) return error;
  const about = { file: sourceOf(tensor).name, layer: name, index: first + index, cause: error };
  return new QuantizeError(code, detail === undefined ? about : { ...about, detail });
}
