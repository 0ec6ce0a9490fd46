/**
 * Everything that works on files, for calls that have some: a page that has none never loads it. What callers may change
 * while it is loaded has been read before.
 */

import type { LayerOptions } from '../convert/layers/options.js';
import { quantizeLayers, type QuantizedLayers } from '../convert/quantize-layers.js';
import { flag, invalidOption } from '../checks.js';
import type { ValidateOptions, VerifyOptions } from '../convert/options.js';
import type { PartsReport } from '../convert/parts/verify.js';
import { endpointName, type ModelSource } from '../endpoints.js';
import type { ImportanceMatrix } from '../importance/importance.js';
import { inspectionOf, type Inspection } from '../models/inspect.js';
import { openModel, type Model } from '../models/model.js';
import type { Validation } from '../models/validation.js';
import { readMinCosine } from '../options/floor.js';
import { readLayers, readSides } from '../options/layers.js';
import type { Given } from '../options/names.js';
import type { HeldSides } from '../options/sides.js';
import { part } from '../part.js';
import type { FileTools } from '../pipeline/tools.js';
import type { ProgressCallback } from '../types.js';
import type { RawWeights } from '../wasm/module.js';

export { dequantizeFile, planModel, quantizeFile } from '../convert/convert-file.js';
export { encodeTensor } from '../convert/encode-tensor.js';
export { readLayerOptions } from '../options/layers.js';
export { compareNamed as compareFiles } from '../convert/compare-named.js';
export { readNamed } from '../convert/read-named.js';
export { inspectionOf } from '../models/inspect.js';
export { readQuantization } from '../options/quantization.js';
export { readRestoring } from '../options/restored.js';
export { OpenedModel } from './opened-model.js';

/** Quantizes layers by way of windows. */
export const quantizeGiven = (
  tools: FileTools,
  layers: ReadonlyMap<string, RawWeights>,
  options: LayerOptions,
  progress: ProgressCallback | null | undefined,
): Promise<QuantizedLayers> => quantizeLayers(tools, readLayers(layers, options), options, progress);

/** Validates models, or layers and what they have become. */
export async function validate(
  tools: FileTools,
  given: HeldSides,
  { minCosine = 0.7, progress }: Given<ValidateOptions>,
): Promise<Validation> {
  const loaded = await part(() => import('../convert/validate.js'));
  return loaded.validate(tools, readSides(given), { minCosine: readMinCosine(minCosine), progress });
}

/** Reads the importance matrix at `source`. */
export async function readImportance(tools: FileTools, source: ModelSource): Promise<ImportanceMatrix> {
  const loaded = await part(() => import('../convert/imatrix.js'));
  return loaded.readImportance(tools, source);
}

/** Looks whether the parts of an output belong together, and are all there. */
export async function verifyFiles(
  { files, signal }: FileTools,
  output: unknown,
  { removeManifests }: Given<VerifyOptions>,
): Promise<PartsReport> {
  const remove = flag('removeManifests', removeManifests);
  if (typeof output !== 'string' || output === '') throw invalidOption('output', output, 'a path');
  const { verifyFiles: verify } = await part(() => import('../convert/parts/verify.js'));
  return verify(files, output, { removeManifests: remove, signal });
}

/** Runs what only reads the model at `source`, which is closed again. */
export async function withModel<Result>(
  { files, signal }: FileTools,
  source: ModelSource,
  run: (model: Model) => Promise<Result>,
): Promise<Result> {
  const model = await openModel(await files.openSource(source, signal), signal);
  try {
    return await run(model);
  } finally {
    await model.close();
  }
}

/** Opens a model that stays open, and tells what it holds; it is closed if that cannot be told. */
export async function openInspected(
  files: FileTools['files'],
  source: ModelSource,
  signal: AbortSignal,
): Promise<{ readonly model: Model; readonly inspection: Inspection }> {
  const model = await openModel(await files.openSource(source, signal), signal);
  try {
    return { model, inspection: await inspectionOf(model, endpointName(source)) };
  } catch (error) {
    await model.close();
    throw error;
  }
}
