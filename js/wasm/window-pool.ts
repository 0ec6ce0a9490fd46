import { QuantizeError, type QuantizeErrorCode } from '../errors.js';
import { lendWindows } from './lending.js';
import type { FloatType, RawJob, RawJobResult, RawModule, WeightType } from './module.js';
import {
  WINDOW_WEIGHTS,
  type EncodedViews,
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

/** Memory of one window. */
export const WINDOW_BYTES = FLOATS_BYTES + ENCODED_BYTES + SCALES_BYTES + ZERO_POINTS_BYTES;

/** What a window asks of a module. */
type WindowModule = Pick<RawModule, 'HEAPU8' | 'submit' | 'affinePackedBytes' | 'blockFormats'>;

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
  readonly #module: WindowModule;
  readonly #layout: Layout;

  constructor(module: WindowModule, layout: Layout) {
    this.#module = module;
    this.#layout = layout;
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

  encodedInput(weights: number, encoding: Encoding): EncodedViews {
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

  #bytes(address: number, bytes: number): Uint8Array {
    return this.#module.HEAPU8.subarray(address, address + bytes);
  }

  #encodedViews(weights: number, encoding: Encoding): EncodedViews {
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
    throw windowError(FAILURES[result.code] ?? 'internal', result.position, encoding);
  }
}

/** What a window's methods reject with: `index` counts from the window's first weight. */
export function windowError(code: QuantizeErrorCode, index: number, encoding: Encoding): QuantizeError {
  const detail = code === 'float_overflow' && encoding.kind === 'float' ? { detail: encoding.type } : {};
  return new QuantizeError(code, { index, ...detail });
}

/**
 * Takes `count` windows out of the module's heap (9 MiB each).
 * Throws a `QuantizeError` with the code `out_of_memory` when the heap has no room for them.
 */
export function createWindowPool(module: RawModule, count: number): WindowPool {
  const layouts = allocateLayouts(module, count);
  return lendWindows(
    layouts.map((layout) => new Window(module, layout)),
    module,
  );
}

/** A window whose memory is no module's: views to fill and to read, but nothing that encodes or decodes. */
export function windowOver(memory: Uint8Array, module: Omit<WindowModule, 'HEAPU8' | 'submit'>): HeapWindow {
  const submit = (): Promise<never> =>
    Promise.reject(new QuantizeError('internal', { detail: 'a window of no module' }));
  const { affinePackedBytes, blockFormats } = module;
  return new Window({ HEAPU8: memory, submit, affinePackedBytes, blockFormats }, layoutFrom(0));
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
  const floats = module.allocate(WINDOW_BYTES);
  if (floats === 0) throw new QuantizeError('out_of_memory', {});
  return layoutFrom(floats);
}

function layoutFrom(floats: number): Layout {
  const encoded = floats + FLOATS_BYTES;
  const scales = encoded + ENCODED_BYTES;
  return { floats, encoded, scales, zeroPoints: scales + SCALES_BYTES };
}
