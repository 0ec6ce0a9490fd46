/** The compiled module as it is handed out: its numbers are checked, and nothing enters it once it has ended. */

import { invalidOption, knownKeys, optionsOf, reading } from '../checks.js';
import { refuseUnawaited, refuseUnawaitedLayer } from '../weight-arrays.js';
import type { CompiledModule, RawBatchOptions, RawModule } from './module.js';

const BATCH_OPTIONS: Readonly<Record<keyof RawBatchOptions, true>> = {
  ...{
    groupSize: true,
    symmetric: true,
    effort: true,
    continueOnError: true,
    transfer: true,
    output: true,
    cancellation: true,
  },
};

/**
 * The life of a module. It ends once: when it is disposed of, when it fails, or when nobody can reach the guarded module
 * any more, whose threads would otherwise stay. So nothing that the module or its workers hold may hold the guarded one.
 */
export class ModuleLife {
  readonly module: CompiledModule;
  readonly #makeDisposedError: () => Error;
  #ended = false;

  constructor(module: CompiledModule, makeDisposedError: () => Error) {
    this.module = module;
    this.#makeDisposedError = makeDisposedError;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** After the end another call might wait for a lock that a thread held when it was ended. */
  check(): void {
    if (this.#ended) throw this.#makeDisposedError();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    forgotten?.unregister(this);
    this.module.dispose();
  }
}

const forgotten =
  typeof FinalizationRegistry === 'undefined'
    ? undefined
    : new FinalizationRegistry<ModuleLife>((life) => {
        life.end();
      });

/** Guarded modules that have calls under way: those need nobody else who holds them. */
const underWay = new Set<{ readonly module: RawModule }>();

async function holding<T>(module: RawModule, call: () => Promise<T>): Promise<T> {
  const hold = { module };
  underWay.add(hold);
  try {
    return await call();
  } finally {
    underWay.delete(hold);
  }
}

export function guardedModule(life: ModuleLife): RawModule {
  const { module } = life;
  const addresses = new Set<number>();
  const call = <T>(run: () => Promise<T>): Promise<T> =>
    holding(guarded, () => {
      life.check();
      return run();
    });
  const guarded: RawModule = {
    get HEAPU8() {
      return module.HEAPU8;
    },
    threadCount() {
      life.check();
      return module.threadCount();
    },
    start: () => call(() => module.start()),
    quantizeBatchWithProgress: (weights, bits, callback, options) =>
      call(() => {
        reading('invalid_weights', () => {
          refuseUnawaitedWeights(weights);
        });
        reading('invalid_option', () => {
          knownKeys(null, optionsOf(options), BATCH_OPTIONS);
        });
        return module.quantizeBatchWithProgress(weights, bits, callback, options);
      }),
    dequantize: (layer, cancellation) =>
      call(() => {
        reading('invalid_weights', () => {
          refuseUnawaited(layer);
        });
        return module.dequantize(layer, cancellation);
      }),
    encodeBlocks: (data, format, cancellation) =>
      call(() => {
        reading('invalid_weights', () => {
          refuseUnawaited(data);
        });
        return module.encodeBlocks(data, format, cancellation);
      }),
    decodeBlocks: (blocks, format, cancellation) =>
      call(() => {
        reading('invalid_weights', () => {
          refuseUnawaited(blocks);
        });
        return module.decodeBlocks(blocks, format, cancellation);
      }),
    submit: (records, works, outcomes) =>
      call(() => {
        const numbers = [count('records', records), count('count', works), count('outcomes', outcomes)] as const;
        return module.submit(...numbers);
      }),
    codecs() {
      life.check();
      return module.codecs();
    },
    statuses() {
      life.check();
      return module.statuses();
    },
    jobWords() {
      life.check();
      return module.jobWords();
    },
    allocate(bytes) {
      life.check();
      const address = module.allocate(count('bytes', bytes));
      if (address !== 0) addresses.add(address);
      return address;
    },
    release(address) {
      if (life.ended || address === 0) return;
      if (!addresses.delete(address)) throw invalidOption('address', address, 'one that allocate gave');
      module.release(address);
    },
    wake() {
      if (!life.ended) module.wake();
    },
    dispose() {
      life.end();
    },
  };
  forgotten?.register(guarded, life, life);
  return guarded;
}

function refuseUnawaitedWeights(weights: unknown): void {
  refuseUnawaited(weights);
  // What is no Map the module refuses.
  if (Object.prototype.toString.call(weights) !== '[object Map]') return;
  for (const [name, entry] of weights as ReadonlyMap<unknown, unknown>) refuseUnawaitedLayer(entry, String(name));
}

function count(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidOption(name, value, 'a whole number from 0 to 2^53 - 1');
}
