import { planeBytes, traitsOf, type Codec } from '../codecs/codec.js';
import { QuantizeError } from '../errors.js';
import type { CompiledModule, RawModuleFactory } from '../wasm/module.js';
import { WindowViews, createWindowPool } from '../wasm/window-pool.js';
import { BundleError, type BundlePart, type HeapWindow, type WindowPool } from '../wasm/windows.js';
import type { Order, Post, Reply, WindowCall, WindowFailure, WindowOutcome, WindowResult } from './messages.js';

/** Milliseconds of work after which the page hears of what is done: it may wait for that. */
const LONGEST_SILENCE = 1;

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** The worker's side: gives what takes in the page's orders. */
export function serve(createModule: RawModuleFactory, post: Post<Reply>): (order: Order) => void {
  const fail = (error: unknown): void => {
    post({ kind: 'failed', message: asError(error).message }, []);
  };
  let servant: Servant | null = null;
  const start = async (compiled: WebAssembly.Module): Promise<void> => {
    servant = new Servant(await instantiate(createModule, compiled, fail), post);
    post({ kind: 'ready' }, []);
  };
  return (order) => {
    if (order.kind === 'start') start(order.compiled).catch(fail);
    else if (order.kind === 'parcels') servant?.execute(order.parcels);
    else servant?.work(order.id, order.call, order.memory).catch(fail);
  };
}

/** An instance of what the page has compiled already. */
function instantiate(
  createModule: RawModuleFactory,
  compiled: WebAssembly.Module,
  fail: (error: unknown) => void,
): Promise<CompiledModule> {
  return createModule({
    instantiateWasm(imports, receive) {
      WebAssembly.instantiate(compiled, imports as WebAssembly.Imports)
        .then((instance) => {
          receive(instance, compiled);
        })
        .catch(fail);
      return {};
    },
    onAbort: fail,
  });
}

class Servant {
  readonly #module: CompiledModule;
  readonly #post: Post<Reply>;
  #windows: WindowPool | null = null;

  constructor(module: CompiledModule, post: Post<Reply>) {
    this.#module = module;
    this.#post = post;
  }

  /** Quick ones go back together: a message costs about as much as the work. */
  execute(parcels: readonly ArrayBuffer[]): void {
    let done: ArrayBuffer[] = [];
    let since = performance.now();
    for (const [index, parcel] of parcels.entries()) {
      this.#module.executeParcel(parcel);
      done.push(parcel);
      if (index < parcels.length - 1 && performance.now() - since < LONGEST_SILENCE) continue;
      this.#post({ kind: 'parcels', parcels: done }, done);
      done = [];
      since = performance.now();
    }
  }

  /** One window after the other: each works on the whole instance. */
  async work(id: number, call: WindowCall, memory: ArrayBuffer): Promise<void> {
    this.#windows ??= createWindowPool(this.#module, 1);
    const bytes = new Uint8Array(memory);
    const page = new WindowViews(() => bytes, 0);
    const outcome = await this.#windows.lease((heap) => outcomeOf(heap, page, call));
    this.#post({ kind: 'window', id, outcome, memory }, [memory]);
  }
}

async function outcomeOf(heap: HeapWindow, page: WindowViews, call: WindowCall): Promise<WindowOutcome> {
  try {
    return { ok: true, result: await perform(heap, page, call) };
  } catch (error) {
    return { ok: false, failure: failureOf(error) };
  }
}

function failureOf(error: unknown): WindowFailure {
  if (!(error instanceof QuantizeError)) return { code: 'internal', detail: asError(error).message };
  const { code, index, detail } = error;
  return { code, index, detail, part: error instanceof BundleError ? error.part : undefined };
}

/** Does in the heap's window what is asked of `page`, a window whose memory is the page's. */
async function perform(heap: HeapWindow, page: WindowViews, call: WindowCall): Promise<WindowResult> {
  switch (call.method) {
    case 'transcode': {
      const { weights, source, target, options } = call;
      copy(page.input(weights, source.codec), heap.input(weights, source.codec));
      const { planes, error } = await heap.transcode(weights, source, target, options);
      copy(planes, page.output(weights, target));
      return { errors: [error] };
    }
    case 'bundle': {
      copyParts(call.parts, page.inputBytes(), heap.inputBytes(), inputOf);
      const errors = await heap.transcodeBundle(call.parts);
      copyParts(call.parts, heap.outputBytes(), page.outputBytes(), outputOf);
      return { errors };
    }
    case 'scan':
      copy(page.input(call.weights, call.source.codec), heap.input(call.weights, call.source.codec));
      return { range: await heap.scan(call.weights, call.source) };
    case 'compare': {
      const { weights, a, b } = call;
      copy(page.input(weights, a.codec), heap.input(weights, a.codec));
      copy(page.output(weights, b.codec), heap.output(weights, b.codec));
      return { comparison: await heap.compare(weights, a, b) };
    }
  }
}

function copy(from: readonly Uint8Array[], to: readonly Uint8Array[]): void {
  from.forEach((plane, index) => to[index]?.set(plane));
}

/** What lies where on one side of a part. */
type Side = (part: BundlePart) => { readonly codec: Codec; readonly offsets: readonly number[] };

const inputOf: Side = ({ source, inputOffsets }) => ({ codec: source.codec, offsets: inputOffsets });
const outputOf: Side = ({ target, outputOffsets }) => ({ codec: target, offsets: outputOffsets });

/** Nothing but the parts' own planes: between them may lie what others have put there. */
function copyParts(parts: readonly BundlePart[], from: Uint8Array, to: Uint8Array, side: Side): void {
  for (const part of parts) {
    const { codec, offsets } = side(part);
    traitsOf(codec).planes.forEach((_, plane) => {
      const begin = offsets[plane] ?? 0;
      to.set(from.subarray(begin, begin + planeBytes(codec, plane, part.weights)), begin);
    });
  }
}
