import { findTraits, planeBytes, traitsOf, type Codec } from '../codecs/codec.js';
import { QuantizeError, type ErrorDetails, type QuantizeErrorCode } from '../errors.js';
import { runJob, type JobModule, type JobOutcomes, type JobWork } from './jobs.js';
import { lendWindows } from './lending.js';
import type { RawModule } from './module.js';
import {
  BundleError,
  WINDOW_BYTES,
  type BundlePart,
  type ErrorSums,
  type HeapWindow,
  type SourceCodec,
  type TranscodeOptions,
  type TranscodedWindow,
  type WeightRange,
  type WindowComparison,
  type WindowPool,
} from './windows.js';

/** Bytes of a window's input, and of its output. */
export const HALF_BYTES = WINDOW_BYTES / 2;

/** Planes of a window begin at multiples of it, for the sake of caches and of the largest elements. */
const PLANE_ALIGNMENT = 64;

/** Where each plane of `weights` weights lies, one after the other, from `begin` on. Throws where they do not fit a half. */
function planeOffsets(weights: number, codec: Codec, begin: number): number[] {
  let end = 0;
  const offsets = traitsOf(codec).planes.map((_, plane) => {
    const offset = Math.ceil(end / PLANE_ALIGNMENT) * PLANE_ALIGNMENT;
    end = offset + planeBytes(codec, plane, weights);
    return begin + offset;
  });
  if (end <= HALF_BYTES) return offsets;
  throw new RangeError(`${String(weights)} weights of ${codec.name} are more than a window has room for`);
}

/** The places of a part's planes within a half, which they must not leave: behind it are other people's bytes. */
function partOffsets(weights: number, codec: Codec, offsets: readonly number[], begin: number): number[] {
  return traitsOf(codec).planes.map((_, plane) => {
    const offset = offsets[plane] ?? Number.NaN;
    if (offset >= 0 && offset + planeBytes(codec, plane, weights) <= HALF_BYTES) return begin + offset;
    throw new RangeError(`a part of a bundle does not lie within its window: ${codec.name} at ${String(offset)}`);
  });
}

/** Views on a window's memory, which lies anywhere. */
export class WindowViews {
  readonly #memory: () => Uint8Array;
  readonly #begin: number;

  /** The memory is where `memory` says, from byte `begin` on. */
  constructor(memory: () => Uint8Array, begin: number) {
    this.#memory = memory;
    this.#begin = begin;
  }

  input(weights: number, codec: Codec): readonly Uint8Array[] {
    return this.#views(weights, codec, 0);
  }

  output(weights: number, codec: Codec): readonly Uint8Array[] {
    return this.#views(weights, codec, HALF_BYTES);
  }

  inputBytes(): Uint8Array {
    return this.#bytes(0, HALF_BYTES);
  }

  outputBytes(): Uint8Array {
    return this.#bytes(HALF_BYTES, HALF_BYTES);
  }

  #views(weights: number, codec: Codec, half: number): Uint8Array[] {
    const offsets = planeOffsets(weights, codec, half);
    return offsets.map((offset, plane) => this.#bytes(offset, planeBytes(codec, plane, weights)));
  }

  #bytes(offset: number, bytes: number): Uint8Array {
    return this.#memory().subarray(this.#begin + offset, this.#begin + offset + bytes);
  }
}

class Window extends WindowViews implements HeapWindow {
  readonly #module: JobModule;
  readonly #input: number;
  readonly #output: number;

  constructor(module: JobModule, address: number) {
    super(() => module.HEAPU8, address);
    this.#module = module;
    this.#input = address;
    this.#output = address + HALF_BYTES;
  }

  async transcode(
    weights: number,
    source: SourceCodec,
    target: Codec,
    options: TranscodeOptions = {},
  ): Promise<TranscodedWindow> {
    const work = {
      verb: 'transcode',
      weights,
      ...this.#operands(weights, source, { codec: target }),
      options,
    } as const;
    const outcomes = await this.#run(work, target);
    const error = options.measure === true ? outcomes.error(0) : null;
    return { planes: this.output(weights, target), error };
  }

  async transcodeBundle(parts: readonly BundlePart[]): Promise<readonly (ErrorSums | null)[]> {
    const works = parts.map(({ weights, source, inputOffsets, target, outputOffsets, options }): JobWork => {
      const from = { ...source, addresses: partOffsets(weights, source.codec, inputOffsets, this.#input) };
      const to = { codec: target, addresses: partOffsets(weights, target, outputOffsets, this.#output) };
      return { verb: 'transcode', weights, source: from, target: to, options };
    });
    const outcomes = await runJob(this.#module, works);
    const { failed } = outcomes;
    const culprit = parts[failed];
    if (culprit !== undefined) {
      const { code, about } = windowFailure(outcomes.status(failed), outcomes.position(failed), culprit.target);
      throw new BundleError(code, about, failed);
    }
    return parts.map(({ options }, index) => (options?.measure === true ? outcomes.error(index) : null));
  }

  async scan(weights: number, source: SourceCodec): Promise<WeightRange> {
    const { source: from } = this.#operands(weights, source, source);
    return (await this.#run({ verb: 'scan', weights, source: from }, source.codec)).range(0);
  }

  async compare(weights: number, a: SourceCodec, b: SourceCodec): Promise<WindowComparison> {
    const work = { verb: 'compare', weights, ...this.#operands(weights, a, b) } as const;
    return (await this.#run(work, b.codec)).comparison(0);
  }

  #operands(weights: number, source: SourceCodec, target: SourceCodec): Required<Pick<JobWork, 'source' | 'target'>> {
    return {
      source: { ...source, addresses: planeOffsets(weights, source.codec, this.#input) },
      target: { ...target, addresses: planeOffsets(weights, target.codec, this.#output) },
    };
  }

  async #run(work: JobWork, target: Codec): Promise<JobOutcomes> {
    const outcomes = await runJob(this.#module, [work]);
    if (outcomes.failed < 0) return outcomes;
    const { code, about } = windowFailure(outcomes.status(0), outcomes.position(0), target);
    throw new QuantizeError(code, about);
  }
}

/** Why a window's method fails, as `QuantizeError` wants it; `index` counts from the window's first weight. */
export function windowFailure(
  status: string,
  index: number,
  target: Pick<Codec, 'name'>,
): { readonly code: QuantizeErrorCode; readonly about: ErrorDetails } {
  switch (status) {
    case 'not_finite':
      return { code: status, about: { index } };
    case 'scale_overflow': {
      // Scales of ggml's blocks are halves; others' are what their codec says.
      const isHalf = findTraits(target.name)?.ggmlType !== null;
      return { code: status, about: isHalf ? { index } : { index, detail: `the scales of ${target.name}` } };
    }
    case 'float_overflow':
      return { code: status, about: { index, detail: target.name } };
    case 'invalid_planes':
      return { code: 'invalid_file', about: { index, detail: 'has an impossible scale or zero point' } };
    default:
      return { code: 'internal', about: { detail: status } };
  }
}

/**
 * Takes `count` windows out of the module's heap (9 MiB each).
 * Throws a `QuantizeError` with the code `out_of_memory` when the heap has no room for them.
 */
export function createWindowPool(module: RawModule, count: number): WindowPool {
  const addresses = allocateWindows(module, count);
  return lendWindows(addresses.map((address) => new Window(module, address)));
}

/** All of them, or none: what has been taken before the heap is full goes back. */
function allocateWindows(module: RawModule, count: number): number[] {
  const addresses: number[] = [];
  while (addresses.length < count) {
    const address = module.allocate(WINDOW_BYTES);
    if (address === 0) {
      for (const taken of addresses) module.release(taken);
      throw new QuantizeError('out_of_memory', {});
    }
    addresses.push(address);
  }
  return addresses;
}
