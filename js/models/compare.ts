import { QuantizeError, abortError } from '../errors.js';
import type { ModelSource } from '../io/byte-io.js';
import { byName, storageLabel, storedBytes, type CodedTensor, type Tensor } from '../layouts/tensor.js';
import { callSafely } from '../pipeline/callbacks.js';
import { metricsOf } from '../pipeline/metrics.js';
import { readRange } from '../pipeline/piece-input.js';
import { Pipeline } from '../pipeline/pipeline.js';
import {
  inputOfStretches,
  located,
  rangesOf,
  sourceCodecOf,
  stretchesOf,
  type Stretch,
} from '../pipeline/stretches.js';
import type { FileTools } from '../pipeline/tools.js';
import { prefixOf } from '../rules/diffusion/prefixes.js';
import type { ErrorSums, LeasedWindow, WindowComparison } from '../wasm/windows.js';
import { checkUnchanged, openModel, type Model } from './model.js';
import { withFactors } from './factors.js';

/** Bytes of a type that is no float are compared in pieces of this size. */
const PIECE_BYTES = 2 ** 20;

/** The largest alignment of a GGUF: of a type that nobody knows, the last tensor's bytes may have padding behind them. */
const MOST_PADDING = 65_536;

/** Two tensors of one name. */
export interface TensorComparison {
  /** In `a`; of a diffusion model, `b` may have it with or without the prefix that checkpoints put before it. */
  readonly name: string;
  readonly shape: readonly number[];
  /** As in TensorReport. */
  readonly a: string;
  readonly b: string;
  /** Whether all values are equal. NaN equals NaN here, and 0 equals -0. */
  readonly equal: boolean;
  /** Errors of `b` against `a`; null for tensors of other types than floats, or when not all values are finite. */
  readonly rmse: number | null;
  readonly relativeRmse: number | null;
  readonly cosine: number | null;
  readonly maxError: number | null;
}

/** Outcome of a comparison; all lists in sorted name order. */
export interface FileComparison {
  readonly a: string;
  readonly b: string;
  /** Tensors that both files have, with the same shape. */
  readonly tensors: readonly TensorComparison[];
  /** Tensors that both files have, but with different shapes. */
  readonly reshaped: readonly { readonly name: string; readonly a: readonly number[]; readonly b: readonly number[] }[];
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
  /** Bytes of all files that have the models' tensors. */
  readonly bytesA: number;
  readonly bytesB: number;
}

/** Called once per tensor, in the order of the result's lists, with the fraction of the tensors that are done. */
export type Progress = ((tensor: string, progress: number) => unknown) | null | undefined;

/** The tensors that a model is compared by, beside those of another one. */
export type TensorsBeside = (model: Model, other: Model) => Promise<readonly Tensor[]>;

/** Those that the model has, its factors taken in. */
export const ownTensors = async (model: Model): Promise<readonly Tensor[]> =>
  (await withFactors(model, { foreign: 'keep' })).tensors;

/** Compares two models, tensor by tensor, quantized ones by what they are restored to. */
export async function compareFiles(
  tools: FileTools,
  a: ModelSource,
  b: ModelSource,
  progress: Progress,
  tensorsBeside: TensorsBeside = ownTensors,
): Promise<FileComparison> {
  const { files, signal } = tools;
  const left = await openModel(await files.openSource(a, signal), signal);
  try {
    const right = await openModel(await files.openSource(b, signal), signal);
    try {
      const comparison = await compareModels(left, right, { tools, progress, tensorsBeside });
      await checkUnchanged(left);
      await checkUnchanged(right);
      return comparison;
    } finally {
      await right.close();
    }
  } finally {
    await left.close();
  }
}

interface Comparing {
  readonly tools: FileTools;
  readonly progress: Progress;
  readonly tensorsBeside: TensorsBeside;
}

async function compareModels(
  left: Model,
  right: Model,
  { tools, progress, tensorsBeside }: Comparing,
): Promise<FileComparison> {
  const { pairs, onlyInA, onlyInB } = pairTensors(await tensorsBeside(left, right), await tensorsBeside(right, left));
  const { signal } = tools;
  const told = new InOrder((index) => {
    if (!signal.aborted) callSafely(progress, pairs[index]?.one.name ?? '', (index + 1) / pairs.length);
  });
  const findings = pairs.map(() => ({ equal: true, finite: true, sums: [] as ErrorSums[] }));
  await Pipeline.run(tools, async (pipeline) => {
    for (const [index, pair] of pairs.entries()) {
      const finding = findings[index];
      if (finding === undefined || isReshaped(pair)) told.done(index);
      else
        await startPair(pair, finding, pipeline, signal, () => {
          told.done(index);
        });
    }
  });
  if (signal.aborted) throw abortError(signal.reason);
  const tensors = pairs.flatMap((pair, index) => {
    const finding = findings[index];
    return finding === undefined || isReshaped(pair) ? [] : [comparisonOf(pair, finding)];
  });
  const reshaped = pairs
    .filter(isReshaped)
    .map(({ one, other }) => ({ name: one.name, a: shapeOf(one), b: shapeOf(other) }));
  const lists = { tensors, reshaped, onlyInA, onlyInB };
  return { a: left.name, b: right.name, ...lists, bytesA: fileBytes(left), bytesB: fileBytes(right) };
}

const fileBytes = ({ sources }: Model): number => sources.reduce((sum, { size }) => sum + size, 0);

/** Tells of things that end in any order in their own. */
class InOrder {
  readonly #tell: (index: number) => void;
  readonly #ended = new Set<number>();
  #next = 0;

  constructor(tell: (index: number) => void) {
    this.#tell = tell;
  }

  done(index: number): void {
    this.#ended.add(index);
    while (this.#ended.delete(this.#next)) this.#tell(this.#next++);
  }
}

interface TensorPair {
  readonly one: Tensor;
  readonly other: Tensor;
}

/** What is known of a pair so far. */
interface Finding {
  equal: boolean;
  finite: boolean;
  readonly sums: ErrorSums[];
}

const isReshaped = ({ one, other }: TensorPair): boolean => String(shapeOf(one)) !== String(shapeOf(other));

const shapeOf = ({ originalShape, shape }: Tensor): readonly number[] => originalShape ?? shape;

/** Starts the pieces that compare two tensors; `done` is called after the last one. */
async function startPair(
  { one, other }: TensorPair,
  finding: Finding,
  pipeline: Pipeline,
  signal: AbortSignal,
  done: () => void,
): Promise<void> {
  if (one.codec === null || other.codec === null) {
    finding.finite = false;
    await pipeline.start({
      end: async () => {
        finding.equal = storageLabel(one) === storageLabel(other) && (await sameContents(one, other, signal));
        done();
      },
    });
    return;
  }
  const stretches = one.elements === 0 ? [] : stretchesOf(one.elements);
  let unfinished = stretches.length;
  if (unfinished === 0) done();
  for (const stretch of stretches) {
    await pipeline.start({
      input: inputOfStretches(
        [
          { tensor: one, half: 'input' },
          { tensor: other, half: 'output' },
        ],
        stretch,
      ),
      work: async (window) => {
        const { equal, finite, error } = await compareStretch(one, other, stretch, window);
        finding.equal &&= equal;
        finding.finite &&= finite;
        finding.sums[stretch.index] = error;
      },
      end: () => {
        if (--unfinished === 0) done();
        return Promise.resolve();
      },
    });
  }
}

/** Planes that cannot be are told of the tensor that they are of. */
async function compareStretch(
  one: CodedTensor,
  other: CodedTensor,
  { first, weights }: Stretch,
  window: LeasedWindow,
): Promise<WindowComparison> {
  try {
    return await window.compare(weights, sourceCodecOf(one), sourceCodecOf(other));
  } catch (error) {
    // A scan looks at the input half, which is that of `one`.
    const isOfOne = async (): Promise<boolean> =>
      window.scan(weights, sourceCodecOf(one)).then(
        () => false,
        (failure: unknown) => failure instanceof QuantizeError && failure.code === 'invalid_file',
      );
    throw located((await isOfOne()) ? one : other, first, error);
  }
}

function comparisonOf({ one, other }: TensorPair, { equal, finite, sums }: Finding): TensorComparison {
  const metrics = finite ? metricsOf(sums, one.elements) : null;
  return {
    name: one.name,
    shape: shapeOf(one),
    a: storageLabel(one),
    b: storageLabel(other),
    equal,
    rmse: metrics?.rmse ?? null,
    relativeRmse: metrics?.relativeRmse ?? null,
    cosine: metrics?.cosine ?? null,
    maxError: metrics?.maxError ?? null,
  };
}

interface TensorPairs {
  readonly pairs: readonly { readonly one: Tensor; readonly other: Tensor }[];
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
}

/** Tensors of one name; those of a diffusion model also where only one of the models has its checkpoint's prefix. */
function pairTensors(left: readonly Tensor[], right: readonly Tensor[]): TensorPairs {
  const own = new Set(left.map(({ name }) => name));
  const others = new Map(right.map((tensor) => [tensor.name, tensor]));
  const ownPrefix = prefixOf([...own]);
  const otherPrefix = prefixOf([...others.keys()]);
  const counterpart = (name: string): Tensor | undefined => {
    const bare = name.startsWith(ownPrefix) ? name.slice(ownPrefix.length) : name;
    const names = [bare, otherPrefix + bare].filter((one) => !own.has(one));
    return [name, ...names].map((one) => others.get(one)).find((other) => other !== undefined);
  };
  const paired = new Set<string>();
  const pairs = [...left].sort(byName).flatMap((one) => {
    const other = counterpart(one.name);
    if (other === undefined) return [];
    paired.add(other.name);
    return [{ one, other }];
  });
  const found = new Set(pairs.map(({ one }) => one.name));
  const namesWithout = (tensors: readonly Tensor[], there: ReadonlySet<string>): string[] =>
    tensors.flatMap(({ name }) => (there.has(name) ? [] : [name])).sort();
  return { pairs, onlyInA: namesWithout(left, found), onlyInB: namesWithout(right, paired) };
}

/** Whether all bytes of two tensors of one kind are the same: of types that cannot be decoded. */
async function sameContents(one: Tensor, other: Tensor, signal: AbortSignal): Promise<boolean> {
  const [left, right] = [storedBytes(one), storedBytes(other)];
  const bytes = Math.min(left, right);
  const isUnknown = one.codec === null && one.type.id !== undefined;
  if (Math.max(left, right) - bytes >= (isUnknown ? MOST_PADDING : 1)) return false;
  for (let begin = 0; begin < bytes; begin += PIECE_BYTES) {
    if (signal.aborted) throw abortError(signal.reason);
    const piece = { begin, bytes: Math.min(PIECE_BYTES, bytes - begin) };
    const [a, b] = await Promise.all([one, other].map((tensor) => contentsOf(tensor, piece)));
    if (a === undefined || b === undefined || !sameBytes(a, b)) return false;
  }
  return true;
}

/** Bytes of a tensor's only plane. */
async function contentsOf(
  { planes }: Tensor,
  piece: { readonly begin: number; readonly bytes: number },
): Promise<Uint8Array> {
  const all = new Uint8Array(piece.bytes);
  let at = 0;
  for (const range of rangesOf(planes[0] ?? [], piece)) {
    all.set(await readRange(range), at);
    at += range.bytes;
  }
  return all;
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
