import { endpointName } from '../../../dist/endpoints.js';
import { inspectionOf } from '../../../dist/models/inspect.js';
import { openModel } from '../../../dist/models/model.js';

/** What tests use of the package's insides: where a thing has moved, only this file says so. */
export { AbortActions } from '../../../dist/abort-actions.js';
export { knownKeys, nameIn, nearestName } from '../../../dist/checks.js';
export { shorten } from '../../../dist/cli/format.js';
export { siblingName } from '../../../dist/cli/options.js';
export { progressOn } from '../../../dist/cli/progress.js';
export {
  affineCodec,
  codecBytes,
  codecLabel,
  codecNamed,
  findTraits,
  isFloat,
  needsRange,
  planeBytes,
  sameCodec,
  traitsOf,
} from '../../../dist/codecs/codec.js';
export { CODECS, STATUSES } from '../../../dist/codecs/table.js';
export { FILE_TYPE_IDS, GGML_TYPES, fileTypeName, ggmlTypeNamed } from '../../../dist/containers/gguf/ggml-types.js';
export { readGguf } from '../../../dist/containers/gguf/header.js';
export {
  f32,
  findKeyValue,
  flag,
  i32,
  i32s,
  text,
  textOf,
  texts,
  u16,
  u32,
  wholeNumberOf,
  withKeyValue,
} from '../../../dist/containers/gguf/key-values.js';
export { DataType as OnnxDataType } from '../../../dist/containers/onnx/data-types.js';
export { floatOf, nodeOf, tensorOf, valueInfoOf } from '../../../dist/containers/onnx/graph.js';
export { isUtf8 } from '../../../dist/containers/gguf/reader.js';
export { openGgufShards } from '../../../dist/containers/gguf/shards.js';
export { layoutGguf } from '../../../dist/containers/gguf/writer.js';
export { containerNamed, openFiles } from '../../../dist/containers/registry.js';
export { readHeader } from '../../../dist/containers/safetensors/header.js';
export { CONTAINERS } from '../../../dist/containers/table.js';
export { StripBuffer } from '../../../dist/convert/columns/strip-buffer.js';
export { fingerprintOf } from '../../../dist/convert/fingerprint.js';
export { ASIDE_BYTES, memoryOf, shareWithStream } from '../../../dist/pipeline/memory-budget.js';
export { Pipeline } from '../../../dist/pipeline/pipeline.js';
export { REVISION } from '../../../dist/convert/revision.js';
export { ERROR_CODES, QuantizeError } from '../../../dist/errors.js';
export { HELD_BYTES } from '../../../dist/io/byte-io.js';
export { NarrowedSource } from '../../../dist/io/narrowed-source.js';
export { readRanges } from '../../../dist/io/read-ranges.js';
export { openModel };
export { modelTexts, tensorsOf } from '../../../dist/layouts/read-tensors.js';
export { LAYOUTS, layoutNamed } from '../../../dist/layouts/table.js';
export { DIFFUSION_FAMILIES } from '../../../dist/rules/diffusion/families.js';
export { compareTensors } from '../../../dist/rules/language/tensors.js';
export { nearestNames } from '../../../dist/rules/nearest-names.js';
export { fp16Pass } from '../../../dist/plan/onnx/fp16/fp16.js';
export { int8Pass, signOfQ8 } from '../../../dist/plan/onnx/int8/int8.js';
export { planTypes } from '../../../dist/rules/plan-types.js';
export { PRESETS } from '../../../dist/rules/presets.js';
export { keepingRule } from '../../../dist/rules/rule.js';
export { openRemote } from '../../../dist/runtime/http/remote.js';
export { withDifferences } from '../../../dist/runtime/differences.js';
export { retryDelay } from '../../../dist/runtime/http/retries.js';
export { HTTP_SETTINGS } from '../../../dist/runtime/http/settings.js';
export { openHttp } from '../../../dist/runtime/http/source.js';
export { listed, modelsIn, nearFiles } from '../../../dist/runtime/hub/choose.js';
export { availableCores, coresWithin } from '../../../dist/runtime/node/cores.js';
export { FileLock } from '../../../dist/runtime/node/file-lock.js';
export { nodeFiles, removeUnfinished } from '../../../dist/runtime/node/files.js';
export { obstacleToTrust } from '../../../dist/runtime/node/ownership.js';
export { isRunning, ownIdentity, parseIdentity, shortHash } from '../../../dist/runtime/node/process-identity.js';
export { UnfinishedFile } from '../../../dist/runtime/resume/unfinished-file.js';
export { PositionQueue } from '../../../dist/runtime/sinks/position-queue.js';
export { BytesSource } from '../../../dist/runtime/sources/bytes-source.js';
export { defaultThreads, launchModule, readLaunchOptions } from '../../../dist/wasm/load.js';
export { createWindowPool } from '../../../dist/wasm/window-pool.js';
export { WINDOW_BYTES } from '../../../dist/wasm/windows.js';
export * as jobWords from '../../../dist/wasm/job-words.js';

/** What a model holds, without a quantizer. */
export async function inspectFile(files, source, signal) {
  const model = await openModel(await files.openSource(source, signal));
  try {
    return await inspectionOf(model, endpointName(source));
  } finally {
    await model.close();
  }
}
