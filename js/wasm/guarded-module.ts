/** The compiled module as it is handed out: its numbers are checked, and nothing enters it once it has ended. */

import { invalidOption, knownKeys, optionsOf, reading, shown } from '../checks.js';
import { QuantizeError } from '../errors.js';
import { refuseUnawaited, refuseUnawaitedLayer } from '../weight-arrays.js';
import type { CompiledModule, RawBatchOptions, RawJob, RawModule } from './module.js';

const BATCH_OPTIONS: Readonly<Record<keyof RawBatchOptions, true>> = {
  ...{ groupSize: true, symmetric: true, continueOnError: true, transfer: true, output: true, cancellation: true },
};
const JOB_FIELDS: Readonly<Record<keyof RawJob, true>> = {
  ...{ operation: true, weights: true, input: true, source: true, sourceScale: true, sourceFormat: true },
  ...{ output: true, target: true, scales: true, zeroPoints: true, bits: true, groupSize: true, symmetric: true },
  ...{ scale: true, zeroPoint: true, format: true, measure: true, checked: true },
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
    submit: (job) =>
      call(() => {
        reading('invalid_option', () => {
          checkFields(job);
        });
        return module.submit(job);
      }),
    blockFormats() {
      life.check();
      return module.blockFormats();
    },
    affinePackedBytes(weights, bits) {
      life.check();
      return module.affinePackedBytes(count('weights', weights), bitWidth(bits));
    },
    affineScale({ lo, hi, extreme }, bits, symmetric) {
      life.check();
      const range = { lo: finite('lo', lo), hi: finite('hi', hi), extreme: finite('extreme', extreme) };
      return module.affineScale(range, bitWidth(bits), symmetric);
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

function checkFields(job: unknown): void {
  const place = 'the job';
  if (typeof job !== 'object' || job === null) throw invalidOption(place, job, 'an object with the fields of a job');
  knownKeys(place, job, JOB_FIELDS);
}

function count(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidOption(name, value, 'a whole number from 0 to 2^53 - 1');
}

function finite(name: string, value: number): number {
  if (Number.isFinite(value)) return value;
  throw invalidOption(name, value, 'a finite number');
}

function bitWidth(bits: number): number {
  if (bits === 2 || bits === 4 || bits === 8) return bits;
  throw new QuantizeError('invalid_bit_width', { detail: shown(bits) });
}
