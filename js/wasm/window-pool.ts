import { QuantizeError, type QuantizeErrorCode } from '../errors.js';
import type { FloatType, RawJob, RawJobResult, RawModule, WeightType } from './module.js';
import {
  WINDOW_WEIGHTS,
  type EncodedWindow,
  type Encoding,
  type HeapWindow,
  type WeightRange,
  type WeightSource,
  type WindowPool,
} from './windows.js';

/** The names of the status codes of src/base/status.h that a job can end with. */
const FAILURES: Readonly<Record<number, QuantizeErrorCode>> = {
  1: 'not_finite',
  2: 'scale_overflow',
  7: 'float_overflow',
};

const SMALLEST_GROUP = 32;
const FLOAT_BYTES: Readonly<Record<WeightType, number>> = { F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 };
const FLOATS_BYTES = WINDOW_WEIGHTS * 4;
const SCALES_BYTES = (WINDOW_WEIGHTS / SMALLEST_GROUP) * 4;
const ZERO_POINTS_BYTES = WINDOW_WEIGHTS / SMALLEST_GROUP;
/** The widest encodings are block formats of 34 bytes for 32 weights, and floats. */
const ENCODED_BYTES = FLOATS_BYTES;

/** Where in the heap a window's parts lie. */
interface Layout {
  readonly floats: number;
  readonly encoded: number;
  readonly scales: number;
  readonly zeroPoints: number;
}

const groupsOf = (weights: number, groupSize: number): number =>
  groupSize === 0 ? Math.min(weights, 1) : Math.ceil(weights / groupSize);

/** The group size of an encoding; 0 where it has one scale or none. */
const groupSizeOf = (encoding: Encoding): number => (encoding.kind === 'affine' ? encoding.groupSize : 0);

/** The fields of a job that say what its input is. */
const inputFields = (source: WeightSource): Pick<RawJob, 'source' | 'sourceScale' | 'sourceFormat'> =>
  source.kind === 'block'
    ? { source: 'F32', sourceFormat: source.format }
    : { source: source.type, sourceScale: source.scale ?? 1 };

class Window implements HeapWindow {
  readonly #module: RawModule;
  readonly #layout: Layout;
  readonly #onRelease: () => void;

  constructor(module: RawModule, layout: Layout, onRelease: () => void) {
    this.#module = module;
    this.#layout = layout;
    this.#onRelease = onRelease;
  }

  input(weights: number, source: WeightSource): Uint8Array {
    return this.#bytes(this.#layout.floats, this.#sourceBytes(weights, source));
  }

  async encode(weights: number, source: WeightSource, encoding: Encoding, measure: boolean): Promise<EncodedWindow> {
    const operation = {
      affine: 'encode-affine',
      'affine-scaled': 'encode-affine-scaled',
      block: 'encode-block',
      float: 'convert',
    } as const;
    const checked = encoding.kind === 'float' && encoding.checked === true;
    const job = { operation: operation[encoding.kind], weights, ...inputFields(source), measure, checked };
    const result = await this.#run(encoding, job);
    const { squaredError, squaredOriginal, squaredRestored, dot, maxError } = result;
    return {
      ...this.#encodedViews(weights, encoding),
      error: measure ? { squaredError, squaredOriginal, squaredRestored, dot, maxError } : null,
    };
  }

  async scan(weights: number, source: WeightSource): Promise<WeightRange> {
    const encoding = { kind: 'affine', bits: 8, groupSize: 0, symmetric: false } as const;
    const { lo, hi, extreme } = await this.#run(encoding, {
      operation: 'scan-affine',
      weights,
      ...inputFields(source),
    });
    return { lo, hi, extreme };
  }

  encodedInput(
    weights: number,
    encoding: Encoding,
  ): { packed: Uint8Array; scales: Float32Array; zeroPoints: Uint8Array } {
    return this.#encodedViews(weights, encoding);
  }

  async decode(weights: number, encoding: Encoding, target: FloatType): Promise<Uint8Array> {
    const memory = { input: this.#layout.encoded, output: this.#layout.floats };
    if (encoding.kind === 'float') {
      // Both sides are floats: the encoded side is the job's input.
      await this.#run(encoding, { operation: 'convert', weights, source: encoding.type, target, ...memory });
    } else {
      const operation = encoding.kind === 'block' ? 'decode-block' : 'decode-affine';
      await this.#run(encoding, { operation, weights, target, ...memory });
    }
    return this.input(weights, { kind: 'float', type: target });
  }

  release(): void {
    this.#onRelease();
  }

  #bytes(address: number, bytes: number): Uint8Array {
    return this.#module.HEAPU8.subarray(address, address + bytes);
  }

  #encodedViews(
    weights: number,
    encoding: Encoding,
  ): { packed: Uint8Array; scales: Float32Array; zeroPoints: Uint8Array } {
    const groups =
      encoding.kind === 'affine' ? groupsOf(weights, encoding.groupSize) : encoding.kind === 'affine-scaled' ? 1 : 0;
    return {
      packed: this.#bytes(this.#layout.encoded, this.#encodedBytes(weights, encoding)),
      scales: new Float32Array(this.#module.HEAPU8.buffer, this.#layout.scales, groups),
      zeroPoints: this.#bytes(this.#layout.zeroPoints, groups),
    };
  }

  #encodedBytes(weights: number, encoding: Encoding): number {
    if (encoding.kind === 'float' || encoding.kind === 'block') return this.#sourceBytes(weights, encoding);
    return this.#module.affinePackedBytes(weights, encoding.bits);
  }

  #sourceBytes(weights: number, source: WeightSource): number {
    if (source.kind === 'float') return weights * FLOAT_BYTES[source.type];
    const format = this.#module.blockFormats().find(({ name }) => name === source.format);
    if (format === undefined) throw new QuantizeError('unknown_type', { detail: source.format });
    return (weights / format.blockWeights) * format.blockBytes;
  }

  async #run(encoding: Encoding, job: Pick<RawJob, 'operation' | 'weights'> & Partial<RawJob>): Promise<RawJobResult> {
    const result = await this.#module.submit({
      input: this.#layout.floats,
      source: 'F32',
      output: this.#layout.encoded,
      target: encoding.kind === 'float' ? encoding.type : 'F32',
      scales: this.#layout.scales,
      zeroPoints: this.#layout.zeroPoints,
      bits: encoding.kind === 'affine' || encoding.kind === 'affine-scaled' ? encoding.bits : 8,
      groupSize: groupSizeOf(encoding),
      symmetric: encoding.kind === 'affine' && encoding.symmetric,
      scale: encoding.kind === 'affine-scaled' ? encoding.scale : 1,
      zeroPoint: encoding.kind === 'affine-scaled' ? encoding.zeroPoint : 0,
      format: encoding.kind === 'block' ? encoding.format : '',
      measure: false,
      ...job,
    });
    if (result.code === 0) return result;
    const code = FAILURES[result.code] ?? 'internal';
    const detail = code === 'float_overflow' && encoding.kind === 'float' ? { detail: encoding.type } : {};
    throw new QuantizeError(code, { index: result.position, ...detail });
  }
}

/** Someone who waits for a window. */
interface Waiter {
  readonly resolve: (window: HeapWindow) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Takes `count` windows out of the module's heap (9 MiB each).
 * Throws a `QuantizeError` with the code `out_of_memory` when the heap has no room for them.
 */
export function createWindowPool(module: RawModule, count: number): WindowPool {
  const free = allocateLayouts(module, count);
  const waiting: Waiter[] = [];
  const lend = (layout: Layout): HeapWindow => {
    let released = false;
    return new Window(module, layout, () => {
      if (released) return;
      released = true;
      const next = waiting.shift();
      if (next === undefined) free.push(layout);
      else next.resolve(lend(layout));
    });
  };
  return {
    count,
    acquire(signal?: AbortSignal): Promise<HeapWindow> {
      if (signal?.aborted === true) return Promise.reject(new QuantizeError('aborted', { cause: signal.reason }));
      const layout = free.pop();
      if (layout !== undefined) return Promise.resolve(lend(layout));
      return new Promise((resolve, reject) => {
        waitForWindow(waiting, { resolve, reject }, signal);
      });
    },
    affineScale: (range, bits, symmetric) => module.affineScale(range, bits, symmetric),
    packedBytes: (weights, bits) => module.affinePackedBytes(weights, bits),
  };
}

function waitForWindow(waiting: Waiter[], { resolve, reject }: Waiter, signal: AbortSignal | undefined): void {
  const stop = (): void => {
    waiting.splice(waiting.indexOf(waiter), 1);
    reject(new QuantizeError('aborted', { cause: signal?.reason }));
  };
  const waiter: Waiter = {
    resolve: (window) => {
      signal?.removeEventListener('abort', stop);
      resolve(window);
    },
    reject,
  };
  waiting.push(waiter);
  signal?.addEventListener('abort', stop, { once: true });
}

/** All of them, or none: what has been taken before the heap is full goes back. */
function allocateLayouts(module: RawModule, count: number): Layout[] {
  const layouts: Layout[] = [];
  try {
    while (layouts.length < count) layouts.push(allocateLayout(module));
    return layouts;
  } catch (error) {
    for (const { floats } of layouts) module.release(floats);
    throw error;
  }
}

function allocateLayout(module: RawModule): Layout {
  const bytes = FLOATS_BYTES + ENCODED_BYTES + SCALES_BYTES + ZERO_POINTS_BYTES;
  const floats = module.allocate(bytes);
  if (floats === 0) throw new QuantizeError('out_of_memory', {});
  const encoded = floats + FLOATS_BYTES;
  const scales = encoded + ENCODED_BYTES;
  return { floats, encoded, scales, zeroPoints: scales + SCALES_BYTES };
}
