import { QuantizeError } from '../errors.js';
import type { CompiledModule, RawModuleFactory } from '../wasm/module.js';
import { createWindowPool, windowOver } from '../wasm/window-pool.js';
import type { EncodedViews, HeapWindow, WindowPool } from '../wasm/windows.js';
import type { Order, Post, Reply, WindowCall, WindowOutcome, WindowResult } from './messages.js';

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
        .then(receive)
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
    const window = windowOver(new Uint8Array(memory), this.#module);
    const outcome = await this.#windows.lease((heap) => outcomeOf(heap, window, call));
    this.#post({ kind: 'window', id, outcome, memory }, [memory]);
  }
}

async function outcomeOf(heap: HeapWindow, window: HeapWindow, call: WindowCall): Promise<WindowOutcome> {
  try {
    return { ok: true, ...(await perform(heap, window, call)) };
  } catch (error) {
    const { message } = asError(error);
    if (!(error instanceof QuantizeError)) return { ok: false, code: 'internal', index: 0, message };
    return { ok: false, code: error.code, index: error.index ?? 0, message };
  }
}

/** Does in the heap's window what is asked of `window`, whose memory is the page's. */
async function perform(heap: HeapWindow, window: HeapWindow, call: WindowCall): Promise<WindowResult> {
  const { weights } = call;
  if (call.method === 'decode') {
    const { encoding, target } = call;
    copyEncoded(window.encodedInput(weights, encoding), heap.encodedInput(weights, encoding));
    const restored = await heap.decode(weights, encoding, target);
    window.input(weights, { kind: 'float', type: target }).set(restored);
    return { error: null, range: null };
  }
  heap.input(weights, call.source).set(window.input(weights, call.source));
  if (call.method === 'scan') return { error: null, range: await heap.scan(weights, call.source) };
  const encoded = await heap.encode(weights, call.source, call.encoding, call.measure);
  copyEncoded(encoded, window.encodedInput(weights, call.encoding));
  return { error: encoded.error, range: null };
}

function copyEncoded(from: EncodedViews, to: EncodedViews): void {
  to.packed.set(from.packed);
  to.scales.set(from.scales);
  to.zeroPoints.set(from.zeroPoints);
}
