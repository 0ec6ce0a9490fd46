import { endpointName } from '../../../build/modules/endpoints.js';
import { inspectionOf } from '../../../build/modules/models/inspect.js';
import { filesOf, openModel } from '../../../build/modules/models/model.js';

/** What tests use of the package's insides: where a thing has moved, only this file says so. */
export { keptName } from '../../../build/modules/checkpoints/architectures/base/names.js';
export { llama3Factors } from '../../../build/modules/checkpoints/architectures/base/rope.js';
export { ARCHITECTURES } from '../../../build/modules/checkpoints/architectures/table.js';
export { AbortActions } from '../../../build/modules/abort-actions.js';
export { knownKeys, nameIn, nearestName } from '../../../build/modules/checks.js';
export { Hparams } from '../../../build/modules/checkpoints/config/hparams.js';
export { CheckpointFiles } from '../../../build/modules/checkpoints/files.js';
export { KeyList } from '../../../build/modules/checkpoints/key-list.js';
export { setGeneral } from '../../../build/modules/checkpoints/metadata/general.js';
export { modelIdOf } from '../../../build/modules/checkpoints/metadata/model-id.js';
export { sizeLabel } from '../../../build/modules/checkpoints/metadata/size-label.js';
export { titleOf } from '../../../build/modules/checkpoints/metadata/title.js';
export { JsonElements, JsonMembers, placeLargeParts } from '../../../build/modules/checkpoints/tokenizer/json-parts.js';
export { loadTokenizer } from '../../../build/modules/checkpoints/tokenizer/loaded/load.js';
export { decodedToken } from '../../../build/modules/checkpoints/tokenizer/loaded/decoders.js';
export { isBounded } from '../../../build/modules/checkpoints/tokenizer/pre/bounded-pattern.js';
export { guessedName } from '../../../build/modules/checkpoints/tokenizer/pre/guess.js';
export { hashOf, idsOfCheckText, preTokenizerName } from '../../../build/modules/checkpoints/tokenizer/pre/name.js';
export { idsOf } from '../../../build/modules/checkpoints/tokenizer/pre/library.js';
export { CHECK_TEXT, HASHES, PRE_TOKENIZERS } from '../../../build/modules/checkpoints/tokenizer/pre/names.js';
export { reducedModel } from '../../../build/modules/checkpoints/tokenizer/pre/reduced.js';
export { PlainFile } from '../../../build/modules/checkpoints/tokenizer/plain.js';
export { setSpecialTokens } from '../../../build/modules/checkpoints/tokenizer/special/special-tokens.js';
export {
  byteLevel,
  llamaHuggingFace,
  sentencePiece,
  setSpacePrefix,
  setTokenTypeCount,
  unigram,
  unigramPieces,
  wordPiece,
} from '../../../build/modules/checkpoints/tokenizer/vocabularies.js';
export { shorten } from '../../../build/modules/cli/format.js';
export { checkpointSettings, collectKeyValue } from '../../../build/modules/cli/gguf/options.js';
export { siblingName } from '../../../build/modules/cli/options.js';
export { askedPart } from '../../../build/modules/cli/parts.js';
export { progressOn } from '../../../build/modules/cli/progress.js';
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
} from '../../../build/modules/codecs/codec.js';
export { packed } from '../../../build/modules/codecs/packed.js';
export { CODECS, STATUSES } from '../../../build/modules/codecs/table.js';
export {
  FILE_TYPE_IDS,
  GGML_TYPES,
  fileTypeName,
  ggmlTypeNamed,
} from '../../../build/modules/containers/gguf/ggml-types.js';
export { setGiven } from '../../../build/modules/checkpoints/given-pairs.js';
export { refuseOptions } from '../../../build/modules/checkpoints/recognize.js';
export { areDistinctTexts } from '../../../build/modules/containers/gguf/distinct-texts.js';
export { encodedPair } from '../../../build/modules/containers/gguf/plain-key-value.js';
export * as flatFields from '../../../build/modules/containers/arrow/flat-writer.js';
export { flatBuffer } from '../../../build/modules/containers/arrow/flat-writer.js';
export { ReadAhead } from '../../../build/modules/containers/arrow/read-ahead.js';
export { readGguf } from '../../../build/modules/containers/gguf/header.js';
export {
  f32,
  f32s,
  findKeyValue,
  flag,
  flags,
  i32,
  i32s,
  text,
  textOf,
  texts,
  u16,
  u32,
  u8s,
  wholeNumberOf,
  withKeyValue,
} from '../../../build/modules/containers/gguf/key-values.js';
export { readConfig } from '../../../build/modules/checkpoints/config/read.js';
export { Companions } from '../../../build/modules/models/companions.js';
export { readModelConfig } from '../../../build/modules/models/model-config.js';
export { checkAcyclic } from '../../../build/modules/containers/onnx/check-graph.js';
export { layOutModel } from '../../../build/modules/containers/onnx/write/lay-out.js';
export { openOnnx } from '../../../build/modules/containers/onnx/read/open.js';
export { encodeModel as encodeOnnx } from '../../../build/modules/containers/onnx/write/model.js';
export { inlineTensor } from '../../../build/modules/containers/onnx/write/tensor.js';
export { looksLikeOnnx } from '../../../build/modules/containers/onnx/head.js';
export { decodedWeights, inConverterOrder } from '../../../build/modules/checkpoints/weights/decoded.js';
export { poolingType } from '../../../build/modules/checkpoints/architectures/pooling.js';
export * as weightOperations from '../../../build/modules/checkpoints/weights/operations.js';
export { everyOther, everyOtherOf } from '../../../build/modules/checkpoints/weights/every-other.js';
export { mxfp4Tensor } from '../../../build/modules/checkpoints/weights/mxfp4.js';
export { TransposedSource } from '../../../build/modules/io/transposed-source.js';
export { MemorySource } from '../../../build/modules/io/memory-source.js';
export { cutMatrix } from '../../../build/modules/convert/columns/strips.js';
export { DataType as OnnxDataType } from '../../../build/modules/containers/onnx/data-types.js';
export { floatOf, nodeOf, tensorOf, valueInfoOf } from '../../../build/modules/containers/onnx/graph.js';
export { isUtf8 } from '../../../build/modules/containers/gguf/reader.js';
export { openGgufShards } from '../../../build/modules/containers/gguf/shards.js';
export { layoutGguf } from '../../../build/modules/containers/gguf/writer.js';
export { containerNamed, openFiles } from '../../../build/modules/containers/registry.js';
export { readHeader } from '../../../build/modules/containers/safetensors/header.js';
export { CONTAINERS } from '../../../build/modules/containers/table.js';
export { StripBuffer } from '../../../build/modules/convert/columns/strip-buffer.js';
export { fingerprintOf } from '../../../build/modules/convert/fingerprint.js';
export { withDigests } from '../../../build/modules/convert/digests.js';
export { torchMean } from '../../../build/modules/formats/bitsandbytes/mean.js';
export { pythonFloat } from '../../../build/modules/formats/bitsandbytes/quant-state.js';
export { chatFor } from '../../../build/modules/formats/mlc/chats.js';
export { tensorCache } from '../../../build/modules/formats/mlc/tensor-cache.js';
export { moduleKinds } from '../../../build/modules/formats/modules/kinds.js';
export { FinishingWriter, KeptRoom } from '../../../build/modules/convert/finish.js';
export { parseJson, printJson } from '../../../build/modules/formats/folder/json.js';
export { MLX_MODELS } from '../../../build/modules/formats/mlx/models.js';
export { readCheckpoint } from '../../../build/modules/options/checkpoint.js';
export { readFloor } from '../../../build/modules/options/floor.js';
export { reaches } from '../../../build/modules/plan/floor.js';
export { KEY_VALUE_TYPES, readKeyValues } from '../../../build/modules/options/key-values.js';
export { ASIDE_BYTES, memoryOf, shareWithStream } from '../../../build/modules/pipeline/memory-budget.js';
export { Pipeline } from '../../../build/modules/pipeline/pipeline.js';
export { REVISION } from '../../../build/modules/convert/revision.js';
export { ERROR_CODES, QuantizeError } from '../../../build/modules/errors.js';
export { readImportanceMatrix } from '../../../build/modules/importance/read.js';
export { HELD_BYTES } from '../../../build/modules/io/byte-io.js';
export { NarrowedSource } from '../../../build/modules/io/narrowed-source.js';
export { readRanges } from '../../../build/modules/io/read-ranges.js';
export { filesOf, openModel };
export { modelTexts, tensorsOf } from '../../../build/modules/layouts/read-tensors.js';
export { LAYOUTS, layoutNamed } from '../../../build/modules/layouts/table.js';
export { DIFFUSION_FAMILIES } from '../../../build/modules/rules/diffusion/families.js';
export { compareTensors } from '../../../build/modules/rules/language/tensors.js';
export { nearestNames } from '../../../build/modules/rules/nearest-names.js';
export { fp16Pass } from '../../../build/modules/plan/onnx/fp16/fp16.js';
export { int8Pass, signOfQ8 } from '../../../build/modules/plan/onnx/int8/int8.js';
export { planTypes } from '../../../build/modules/rules/plan-types.js';
export { PRESETS } from '../../../build/modules/rules/presets.js';
export { keepingRule } from '../../../build/modules/rules/rule.js';
export { openRemote } from '../../../build/modules/runtime/http/remote.js';
export { withDifferences } from '../../../build/modules/runtime/differences.js';
export { retryDelay } from '../../../build/modules/runtime/http/retries.js';
export { HTTP_SETTINGS } from '../../../build/modules/runtime/http/settings.js';
export { openHttp } from '../../../build/modules/runtime/http/source.js';
export { textOfPage } from '../../../build/modules/runtime/hub/address.js';
export { listed, modelsIn, nearFiles } from '../../../build/modules/runtime/hub/choose.js';
export { availableCores, coresWithin } from '../../../build/modules/runtime/node/cores.js';
export { FileLock } from '../../../build/modules/runtime/node/file-lock.js';
export { nodeFiles, removeUnfinished } from '../../../build/modules/runtime/node/files.js';
export { obstacleToTrust } from '../../../build/modules/runtime/node/ownership.js';
export {
  isRunning,
  ownIdentity,
  parseIdentity,
  shortHash,
} from '../../../build/modules/runtime/node/process-identity.js';
export { UnfinishedFile } from '../../../build/modules/runtime/resume/unfinished-file.js';
export { PositionQueue } from '../../../build/modules/runtime/sinks/position-queue.js';
export { BytesSource } from '../../../build/modules/runtime/sources/bytes-source.js';
export { defaultThreads, launchModule, readLaunchOptions } from '../../../build/modules/wasm/load.js';
export { createWindowPool } from '../../../build/modules/wasm/window-pool.js';
export { WINDOW_BYTES } from '../../../build/modules/wasm/windows.js';
export * as jobWords from '../../../build/modules/wasm/job-words.js';

/** What a model holds, without a quantizer. */
export async function inspectFile(files, source, signal) {
  const model = await openModel(await files.openSource(source, signal));
  try {
    return await inspectionOf(model, endpointName(source));
  } finally {
    await model.close();
  }
}
export { assigned, hullOf } from '../../../build/modules/convert/measured/assign.js';
export { targeted } from '../../../build/modules/convert/measured/target.js';
export { collectLayerBits, parseMinCosine } from '../../../build/modules/cli/floor.js';
