/**
 * `arrowquant/wasm`: the compiled module as it is, for who wants nothing else.
 *
 *     import createModule from 'arrowquant/wasm';
 *     const module = await createModule();
 *     const result = await module.quantizeBatchWithProgress(weights, 4, (layer, progress) => …);
 *     module.dispose();
 *
 * @module arrowquant/wasm
 */

import { knownKeys, optionsOf, reading } from '../checks.js';
import type { CreateOptions } from '../types.js';
import { launchModule, readLaunchOptions } from './load.js';
import type { RawModule } from './module.js';

export type { CodecTraits as RawCodec, ElementType as RawElementType, Plane as RawPlane } from '../codecs/codec.js';
export type {
  ProgressCallback,
  RawBatchOptions,
  RawBatchResult,
  RawJobWords,
  RawModule,
  RawQuantizedLayer,
  RawWeights,
} from './module.js';

export type ModuleOptions = Pick<
  CreateOptions,
  'threads' | 'backend' | 'startupTimeout' | 'wasmUrl' | 'wasmBinary' | 'workerUrl'
>;

const MODULE_OPTIONS: Readonly<Record<keyof ModuleOptions, true>> = {
  ...{ threads: true, backend: true, startupTimeout: true, wasmUrl: true, wasmBinary: true, workerUrl: true },
};

/**
 * Starts an instance of the module with a heap and threads of its own. It rejects as `ArrowQuant.create` does, and its
 * promises reject with the same errors as those of a quantizer.
 */
export default async function createModule(options: ModuleOptions = {}): Promise<RawModule> {
  const launch = reading('invalid_option', () => {
    const given = optionsOf(options);
    knownKeys(null, given, MODULE_OPTIONS);
    return readLaunchOptions(given);
  });
  const { module } = await launchModule(launch);
  return module;
}
