/** ArrowQuant: quantizes neural-network weights where JavaScript runs. */

export { BLOCK_TYPES } from './block-types.js';
export type {
  BlobLike,
  ByteStream,
  FileLike,
  ModelSink,
  ModelSource,
  NodeFileHandle,
  WebFileHandle,
  WritableFile,
} from './endpoints.js';
export { QuantizeError, type QuantizeErrorCode } from './errors.js';
export type { FileComparison, TensorComparison } from './models/compare.js';
export type { InspectedTensor, Inspection } from './models/inspect.js';
export type {
  ConvertFileOptions,
  DequantizeFileOptions,
  FileOptions,
  QuantizeFileOptions,
  ReadTensorOptions,
  TypeRule,
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
export { ArrowQuant } from './quantizer.js';
export type { RuleOutcome, TensorCondition, TensorRule } from './rules/rule.js';
export { ARCHITECTURES, FILE_TYPES, TENSOR_TYPES } from './types.js';
export type {
  AnyCase,
  Architecture,
  Backend,
  BatchOptions,
  BatchResult,
  BitWidth,
  BlockType,
  CallOptions,
  CreateOptions,
  FileType,
  GroupSize,
  HalfArray,
  Mode,
  Profile,
  ProgressCallback,
  QuantizedLayer,
  ReusableOutput,
  ShapedWeights,
  TensorType,
  WeightArray,
  Weights,
  WeightsByName,
} from './types.js';
