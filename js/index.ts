/**
 * ArrowQuant: quantizes neural-network weights where JavaScript runs.
 *
 * @module arrowquant
 */

export { EFFORTS, type Effort } from './codecs/codec.js';
export { BLOCK_TYPES } from './codecs/table.js';
export type {
  BlobLike,
  ByteStream,
  FetchedResponse,
  FetchFunction,
  FetchInit,
  FileLike,
  HeaderFields,
  ModelSink,
  ModelSource,
  NodeFileHandle,
  WebFileHandle,
  WebFolderHandle,
  WebOptions,
  WritableFile,
} from './endpoints.js';
export type {
  FolderFormatName,
  FormatName,
  FormatType,
  MixtureName,
  OnnxForm,
  OnnxRuntime,
  OnnxType,
} from './formats/names.js';
export { QuantizeError, type ErrorDetails, type QuantizeErrorCode } from './errors.js';
export type { ImportanceEntry, ImportanceMatrix } from './importance/importance.js';
export type { FileComparison, TensorComparison } from './models/compare.js';
export type { InspectedTensor, Inspection } from './models/inspect.js';
export type { Validation } from './models/validation.js';
export type {
  ConvertFileOptions,
  DequantizeFileOptions,
  FileOptions,
  KeyValue,
  KeyValueType,
  ModelType,
  QuantizeFileOptions,
  ReadOptions,
  ReadTensorOptions,
  TypeRule,
  ValidateOptions,
} from './convert/options.js';
export type {
  DroppedTensor,
  FileEvent,
  FilePlan,
  FileReport,
  FileSummary,
  FileTotals,
  FileWarning,
  FileWarningCode,
  PlanTotals,
  TensorPlan,
  TensorReport,
} from './plan/report.js';
export type { OpenedModel } from './calls/opened-model.js';
export { ArrowQuant } from './quantizer.js';
export type { RuleOutcome, TensorCondition, TensorRule } from './rules/rule.js';
export { ARCHITECTURES, FILE_TYPES, PROGRAMS, TENSOR_TYPES } from './types.js';
export type {
  AnyCase,
  Architecture,
  Backend,
  BatchOptions,
  BatchResult,
  BatchWarning,
  BatchWarningCode,
  BitWidth,
  BlockType,
  CallOptions,
  CodecName,
  ContainerName,
  CopyType,
  CreateOptions,
  EncodeOptions,
  FileType,
  FloorOptions,
  GroupSize,
  HalfArray,
  ImportanceByName,
  InputContainerName,
  LayerBits,
  LayoutName,
  MinCosine,
  Mode,
  Profile,
  Program,
  ProgressCallback,
  QuantizedLayer,
  ReusableOutput,
  ShapedWeights,
  TensorType,
  WeightArray,
  Weights,
  WeightsByName,
} from './types.js';
