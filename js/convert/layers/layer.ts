import { isDetached } from '../../checks.js';
import { affineCodec, needsRange, planeBytes, type Codec } from '../../codecs/codec.js';
import { QuantizeError, abortError } from '../../errors.js';
import { metricsOf } from '../../pipeline/metrics.js';
import { stretchesOf, type Stretch } from '../../pipeline/stretches.js';
import { reaches, shortfall } from '../../plan/floor.js';
import type { BitWidth, QuantizedLayer } from '../../types.js';
import type { ErrorSums, LeasedWindow, WeightRange } from '../../wasm/windows.js';
import type { WeightArray } from '../../weight-arrays.js';
import { encodePut, placing, putStretch, takePlanes } from '../encode-tensor.js';
import { mergeRanges } from '../transcode.js';
import type { LayerOptions } from './options.js';

type Planes = Pick<QuantizedLayer, 'quantizedData' | 'scales' | 'zeroPoints'>;

/** A layer that has been read, or why it could not be. */
export interface GivenLayer {
  readonly name: string;
  readonly data: WeightArray;
  readonly shape: readonly number[];
  readonly failure?: QuantizeError;
}

export const affineOf = (bits: BitWidth, { groupSize, symmetric }: LayerOptions): Codec =>
  affineCodec(bits, groupSize === 'tensor' ? 0 : groupSize, symmetric);

/**
 * A layer on its way: its stretches are scanned, where the extent of all of them counts, and encoded; all of them again with
 * finer bits where what they have lost together is too much.
 */
export class LayerWork {
  readonly name: string;
  /** The bits that are tried, and at the end those that count. */
  bits: BitWidth;
  /** The failure of the first stretch that has failed, and its index. */
  failure: { readonly index: number; readonly error: unknown } | null = null;
  readonly #options: LayerOptions;
  readonly #shape: readonly number[];
  readonly #weights: number;
  readonly #stretches: readonly Stretch[];
  /** Null when they are no longer needed. */
  #data: WeightArray | null;
  /** Bits that may still be tried, in order. */
  readonly #finer: BitWidth[];
  #todo: Stretch[];
  #underWay = 0;
  #ranges: WeightRange[] | null;
  #range: WeightRange | undefined;
  #planes: Planes | null = null;
  #sums: ErrorSums[] = [];
  #cosine: number | null | undefined;

  constructor({ name, data, shape, failure }: GivenLayer, options: LayerOptions) {
    const [bits = options.bits, ...finer] = options.widthsOf(name);
    this.name = name;
    this.bits = bits;
    this.#finer = finer;
    this.#options = options;
    this.#shape = shape;
    this.#weights = data.length;
    this.#data = data;
    this.#stretches = data.length === 0 ? [] : stretchesOf(data.length);
    this.#todo = [...this.#stretches];
    // What fits into one window is scanned there, before it is encoded.
    this.#ranges = this.#stretches.length > 1 && needsRange(affineOf(bits, options)) ? [] : null;
    if (failure !== undefined) this.failure = { index: 0, error: failure };
    if (this.isSettled) this.#advance();
  }

  /** Whether nothing is left to do. */
  get isSettled(): boolean {
    return this.#todo.length === 0 && this.#underWay === 0;
  }

  /** Takes the next stretch, to be worked on; undefined when none is to be begun now. */
  take(): Stretch | undefined {
    const stretch = this.#todo.shift();
    if (stretch !== undefined) this.#underWay += 1;
    return stretch;
  }

  /** Works on a stretch that has been taken. Failures are the layer's, unless the call has ended. */
  async work(
    stretch: Stretch,
    lease: (work: (window: LeasedWindow) => Promise<void>) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await lease((window) => this.#work(window, stretch, signal));
    } catch (error) {
      if (signal.aborted) throw error;
      const { index } = stretch;
      if (this.failure === null || index < this.failure.index) this.failure = { index, error };
      // All before it have been begun.
      this.#todo = [];
    } finally {
      this.#underWay -= 1;
    }
    if (this.isSettled) this.#advance();
  }

  /** What the layer has become; null where it has failed. */
  result(): QuantizedLayer | null {
    const { groupSize, symmetric } = this.#options;
    if (this.failure !== null || this.#planes === null) return null;
    const cosine = this.#cosine;
    return {
      ...{ ...this.#planes, shape: [...this.#shape], bitWidth: this.bits, groupSize, symmetric },
      ...(cosine !== undefined && { cosine }),
    };
  }

  /** Why the layer is not accurate enough, with what to do, in a phrase; null where it is. */
  shortfall(): string | null {
    const { floor, isFixed } = this.#options;
    if (floor === null || this.#cosine === undefined || reaches(floor, this.bits, this.#cosine)) return null;
    return shortfall(floor, { bits: this.bits, cosine: this.#cosine, isFixed: isFixed(this.name) });
  }

  async #work(window: LeasedWindow, stretch: Stretch, signal: AbortSignal): Promise<void> {
    const data = this.#data ?? new Float32Array();
    const source = putStretch(window, data, stretch);
    const scan = (): Promise<WeightRange> => placing(stretch, () => window.scan(stretch.weights, source));
    if (this.#ranges !== null) {
      this.#ranges[stretch.index] = await scan();
      return;
    }
    const isWhole = this.#stretches.length === 1;
    const range = isWhole && needsRange(affineOf(this.bits, this.#options)) ? await scan() : this.#range;
    for (;;) {
      const codec = affineOf(this.bits, this.#options);
      const tensor = { ...this.#search(), data, shape: this.#shape, codec };
      const measure = this.#options.floor !== null;
      const { planes, error } = await encodePut(window, source, tensor, stretch, { measure, range });
      if (error !== null) this.#sums[stretch.index] = error;
      // Where the layer is in the window already, it is encoded again there.
      if (!isWhole || !this.#isDoneAgain()) {
        this.#take(planes, codec, stretch);
        return;
      }
      if (signal.aborted) throw abortError(signal.reason);
    }
  }

  #search(): { readonly importance: Float32Array | undefined; readonly effort: number } {
    const { importance, effort } = this.#options;
    return { importance: importance?.get(this.name), effort };
  }

  #take(planes: readonly Uint8Array[], codec: Codec, stretch: Stretch): void {
    this.#planes ??= planesFor(codec, this.#weights, this.#options.output?.get(this.name));
    const { quantizedData, scales, zeroPoints } = this.#planes;
    // Arrays of the caller's may have gone meanwhile.
    if (Object.values(this.#planes).some(isDetached)) throw new QuantizeError('detached_buffer');
    const scaleBytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
    takePlanes(planes, codec, stretch, [quantizedData, scaleBytes, zeroPoints]);
  }

  /** All that was begun has ended: goes on to what follows, if anything does. */
  #advance(): void {
    if (this.failure === null && this.#ranges !== null) {
      this.#range = this.#ranges.reduce(mergeRanges);
      this.#ranges = null;
      this.#todo = [...this.#stretches];
      return;
    }
    if (this.failure === null && this.#isDoneAgain()) {
      this.#todo = [...this.#stretches];
      return;
    }
    if (this.#weights === 0 && this.failure === null) this.#take([], affineOf(this.bits, this.#options), NOTHING);
    const detail = this.failure === null && this.#options.floor?.failFast === true ? this.shortfall() : null;
    if (detail !== null) this.failure = { index: 0, error: new QuantizeError('below_min_cosine', { detail }) };
    this.#data = null;
    if (this.failure !== null) this.#planes = null;
  }

  /** Whether what has been encoded is too far from the original, and finer bits are to be tried, which it then has. */
  #isDoneAgain(): boolean {
    const { floor } = this.#options;
    if (floor === null) return false;
    this.#cosine = metricsOf(this.#sums, this.#weights).cosine;
    if (reaches(floor, this.bits, this.#cosine)) return false;
    const next = this.#finer.shift();
    if (next === undefined) return false;
    this.bits = next;
    this.#planes = null;
    this.#sums = [];
    return true;
  }
}

const NOTHING: Stretch = { index: 0, first: 0, weights: 0 };

/** Arrays that are given are used where they have the lengths that these bits need. */
function planesFor(codec: Codec, weights: number, given: Planes | undefined): Planes {
  const [levels = 0, scaleBytes = 0, groups = 0] = [0, 1, 2].map((plane) => planeBytes(codec, plane, weights));
  if (given?.quantizedData.length === levels) {
    const { quantizedData, scales, zeroPoints } = given;
    return { quantizedData, scales, zeroPoints };
  }
  return {
    quantizedData: new Uint8Array(levels),
    scales: new Float32Array(scaleBytes / Float32Array.BYTES_PER_ELEMENT),
    zeroPoints: new Uint8Array(groups),
  };
}
