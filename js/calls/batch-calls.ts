/**
 * Batches of layers: the module does them, but for those that weigh columns or ask for accuracy, which go by way of windows, as
 * files do.
 */

import { reading } from '../checks.js';
import { asQuantizeError } from '../errors.js';
import { readBatch, type Batch, type Defaults } from '../options/batch.js';
import { checkReusable } from '../options/output.js';
import { collectWeights } from '../options/weights.js';
import type { BatchOptions, BatchResult, BitWidth, ProgressCallback, QuantizedLayer, WeightsByName } from '../types.js';
import type { RawBatchOptions, RawBatchResult, RawModule, RawWeights } from '../wasm/module.js';
import { batchResult } from './batch-result.js';
import type { FileCalls } from './file-calls.js';

/** A flag that the module looks at; shared with it for the length of a call. */
export interface Cancellation {
  cancelled: boolean;
}

/** What batches need of the quantizer. */
export interface BatchTools {
  readonly module: RawModule;
  readonly defaults: Defaults;
  readonly fileCalls: FileCalls;
  /** Runs a call of the module that the signal can end. */
  readonly cancellable: <T>(
    signal: AbortSignal | undefined,
    run: (cancellation: Cancellation) => Promise<T>,
  ) => Promise<T>;
}

/** What a caller passes. */
export interface GivenBatch {
  readonly weights: WeightsByName;
  readonly bits: BitWidth | null | undefined;
  readonly progress: ProgressCallback | null | undefined;
  readonly options: BatchOptions | null | undefined;
}

/** As `quantizeBatchWithProgress` of the quantizer. */
export async function quantizeBatch(
  tools: BatchTools,
  { weights, bits, progress, options }: GivenBatch,
): Promise<BatchResult> {
  const batch = reading('invalid_option', () => readBatch(bits, options, tools.defaults));
  const given = reading('invalid_weights', () => collectWeights(weights, batch));
  // Not awaited where there is nothing to wait for: what is transferred is gone when the call returns.
  const layers = given instanceof Promise ? await given : given;
  const { importance, accuracy, signal } = batch;
  if (importance !== null || accuracy !== null) {
    const made = await tools.fileCalls.run({ signal }, (work, fileTools) =>
      work.quantizeGiven(fileTools, layers, work.readLayerOptions(layers, batch, tools.defaults), progress),
    );
    return batchResult(made);
  }
  checkReusable(layers, batch, () => [batch.bits]);
  return publicResult(await quantizeByModule(tools, layers, batch, progress), batch);
}

function quantizeByModule(
  { module, cancellable }: BatchTools,
  layers: Map<string, RawWeights>,
  { bits, groupSize, symmetric, effort, continueOnError, transfer, output, signal }: Batch,
  progress: ProgressCallback | null | undefined,
): Promise<RawBatchResult> {
  return cancellable(signal, (cancellation) => {
    const options: RawBatchOptions = {
      groupSize: groupSize === 'tensor' ? 0 : groupSize,
      ...{ symmetric, effort, continueOnError, transfer, cancellation },
      ...(output !== undefined && { output }),
    };
    return module.quantizeBatchWithProgress(layers, bits, progress ?? null, options);
  });
}

function publicResult(raw: RawBatchResult, { bits, groupSize }: Batch): BatchResult {
  const layers = [...raw].map(([name, layer]) => [name, { ...layer, bitWidth: bits, groupSize }] as const);
  const failures = new Map([...raw.failures].map(([name, error]) => [name, asQuantizeError(error, 'internal')]));
  return batchResult({ made: new Map<string, QuantizedLayer>(layers), failures, warnings: [] });
}
