/** Everything that the package exports, by name. */
import {
  ARCHITECTURES,
  ArrowQuant,
  BLOCK_TYPES,
  EFFORTS,
  FILE_TYPES,
  PROGRAMS,
  QuantizeError,
  TENSOR_TYPES,
  type AnyCase,
  type Architecture,
  type Backend,
  type BatchOptions,
  type BatchResult,
  type BatchWarning,
  type BatchWarningCode,
  type BitWidth,
  type BlobLike,
  type BlockType,
  type ByteStream,
  type CallOptions,
  type CodecName,
  type ContainerName,
  type ConvertFileOptions,
  type CopyType,
  type CreateOptions,
  type DequantizeFileOptions,
  type DroppedTensor,
  type Effort,
  type EncodeOptions,
  type ErrorDetails,
  type FetchFunction,
  type FetchInit,
  type FetchedResponse,
  type FileComparison,
  type FileEvent,
  type FileLike,
  type FileOptions,
  type FilePlan,
  type FileReport,
  type FileSummary,
  type FileTotals,
  type FileType,
  type FileWarning,
  type FileWarningCode,
  type FloorOptions,
  type FolderFormatName,
  type FormatName,
  type FormatType,
  type GroupSize,
  type HalfArray,
  type HeaderFields,
  type ImportanceByName,
  type ImportanceEntry,
  type ImportanceMatrix,
  type InputContainerName,
  type InspectedTensor,
  type Inspection,
  type KeyValue,
  type KeyValueType,
  type LayerBits,
  type LayoutName,
  type MinCosine,
  type MixtureName,
  type Mode,
  type ModelSink,
  type ModelSource,
  type ModelType,
  type NodeFileHandle,
  type OnnxForm,
  type OnnxRuntime,
  type OnnxType,
  type OpenedModel,
  type PlanTotals,
  type Profile,
  type Program,
  type ProgressCallback,
  type QuantizeErrorCode,
  type QuantizeFileOptions,
  type QuantizedLayer,
  type ReadOptions,
  type ReadTensorOptions,
  type ReusableOutput,
  type RuleOutcome,
  type ShapedWeights,
  type TensorComparison,
  type TensorCondition,
  type TensorPlan,
  type TensorReport,
  type TensorRule,
  type TensorType,
  type TypeRule,
  type ValidateOptions,
  type Validation,
  type WebFileHandle,
  type WebFolderHandle,
  type WebOptions,
  type WeightArray,
  type Weights,
  type WeightsByName,
  type WritableFile,
} from 'arrowquant';

const mode: Mode = 'diffusion';
const profile: Profile = 'edge';
const bits: BitWidth = 4;
const groupSize: GroupSize = 'tensor';
const creation: CreateOptions = { mode, profile, threads: 2, backend: 'auto', startupTimeout: 1000 };
const minCosine: MinCosine = { 2: 0.7, 4: 0.9 };
const floor: FloorOptions = { minCosine, fallback: true, failFast: false };
const layerBits: LayerBits = [
  [/norm/, 8],
  ['=mask', 4],
];
const call: CallOptions = { signal: null };
const progress: ProgressCallback = (layer, fraction) => layer.length * fraction;

export async function quantizeWeights(halves: HalfArray, shaped: ShapedWeights, array: WeightArray): Promise<Backend> {
  const quantizer: ArrowQuant = await ArrowQuant.create(creation);
  const bare: Weights = array;
  const weights: WeightsByName = { halves, shaped, bare };
  const options: BatchOptions = {
    groupSize,
    symmetric: true,
    continueOnError: true,
    transfer: false,
    ...floor,
    layerBits,
  };
  const result: BatchResult = await quantizer.quantizeBatchWithProgress(weights, bits, progress, options);
  const output: ReusableOutput = result;
  const again = await quantizer.quantizeBatch(weights, bits, { output });
  const layer: QuantizedLayer | undefined = again.get('bare');
  const warning: BatchWarning | undefined = again.warnings[0];
  const about: BatchWarningCode = warning?.code ?? 'below_min_cosine';
  const failure: QuantizeError | undefined = again.failures.get('halves');
  const code: QuantizeErrorCode = failure?.code ?? 'internal';
  const type: AnyCase<BlockType> = 'q4_k';
  await quantizer.decode(await quantizer.encode(await quantizer.dequantize(layer, call), type), type);
  const details: ErrorDetails = { detail: about, layer: 'bare' };
  if (code === 'disposed') throw new QuantizeError('invalid_option', details);
  return quantizer.backend;
}

const condition: TensorCondition = { name: /norm/, rankBelow: 2, dtypeNotIn: ['F32'] };
const outcome: RuleOutcome = 'keep';
const rule: TensorRule = { name: 'norms', when: condition, type: outcome };
const short: TypeRule = [/attn_v/, 'q8_0'];
const fileType: FileType = 'Q4_K_M';
const codec: CodecName = 'F16';
const container: ContainerName = 'gguf';
const layout: LayoutName = 'plain';
const architecture: Architecture = 'flux';
const program: Program = 'sd.cpp';

export async function convertFiles(quantizer: ArrowQuant, source: ModelSource, sink: ModelSink): Promise<number> {
  const watched: FileOptions = { progress };
  const common: ConvertFileOptions = { ...watched, onTensor: seeTensor, onEvent: seeEvent, durability: 'none' };
  const chosen = { type: fileType, container, layout, architecture, for: program, rules: [rule, short] as const };
  const quantization: QuantizeFileOptions = { ...common, ...chosen };
  const report: FileReport = await quantizer.quantizeFile(source, sink, quantization);
  const restoration: DequantizeFileOptions = { ...common, dtype: 'bf16' };
  await quantizer.dequantizeFile(source, sink, restoration);
  const plan: FilePlan = await quantizer.plan(source, { type: codec });
  const totals: FileTotals = report.totals;
  const programs: readonly string[] = [...report.opensIn, ...report.notIn];
  return summaryBytes(report) + summaryBytes(plan) + totals.bytesPerSecond + programs.length;
}

const folderFormat: FolderFormatName = 'mlx';
const formatName: FormatName = 'onnx';
const formatType: FormatType = 'W4A16';
const mixture: MixtureName = 'mixed_3_6';
const modelType: ModelType = 'llama';
const onnxType: OnnxType = 'q4f16';
const onnxForm: OnnxForm = 'qdq';
const onnxRuntime: OnnxRuntime = '1.32';

export async function convertForOthers(quantizer: ArrowQuant, source: ModelSource, to: WebFolderHandle): Promise<void> {
  const folder: QuantizeFileOptions = { format: folderFormat, mix: mixture, architecture: modelType, dtype: 'BF16' };
  await quantizer.quantizeFile(source, to, folder);
  await quantizer.quantizeFile(source, to, { format: 'compressed-tensors', type: formatType });
  await quantizer.quantizeFile(source, 'model_q4f16.onnx', { format: formatName, type: onnxType, onnxRuntime });
  await quantizer.plan(source, { format: 'onnx', type: 'q4', onnxForm, embeddings: false, accuracyLevel: 4 });
}

const copied: CopyType = 'COPY';
const effort: Effort = EFFORTS.at(-1) ?? 'best';

export async function weighColumns(quantizer: ArrowQuant, source: ModelSource, array: WeightArray): Promise<number> {
  const matrix: ImportanceMatrix = await quantizer.readImportance(source);
  const entry: ImportanceEntry | undefined = matrix.entries.get('blk.0.attn_q.weight');
  const search: EncodeOptions = { importance: entry?.values ?? null, effort };
  const bytes = await quantizer.encode({ data: array, shape: [2, 256] }, 'IQ2_XS', search);
  const importance: ImportanceByName = { weights: new Float32Array(256) };
  await quantizer.quantizeBatch({ weights: array }, 4, { effort, importance });
  const weighed: QuantizeFileOptions = { type: fileType, imatrix: source, effort };
  await quantizer.quantizeFile(source, 'model-IQ2_XS.gguf', weighed);
  await quantizer.quantizeFile(source, 'model-copy.gguf', { type: copied });
  return bytes.length;
}

function seeTensor(report: TensorReport): string {
  const plan: TensorPlan = report;
  return `${plan.name}: ${plan.from} to ${plan.to}, off by ${report.rmse?.toFixed(5) ?? 'nothing'}`;
}

function seeEvent(event: FileEvent): number {
  return event.type === 'bytes' ? event.secondsLeft : event.tensors;
}

function summaryBytes(summary: FileSummary & { readonly totals: PlanTotals }): number {
  const warning: FileWarning | undefined = summary.warnings[0];
  const code: FileWarningCode | undefined = warning?.code;
  const dropped: readonly DroppedTensor[] = summary.dropped;
  const from: InputContainerName = summary.container;
  return code === undefined && from !== 'torch' ? summary.totals.fileBytes : dropped.length;
}

export async function readModels(quantizer: ArrowQuant, source: ModelSource): Promise<number> {
  const model: OpenedModel = await quantizer.open(source, call);
  const range: ReadTensorOptions = { begin: 0, end: 8 };
  const values: Float32Array = await model.read('blk.0.weight', range);
  const same: Float32Array = await quantizer.readTensor(source, 'blk.0.weight', range);
  const inspection: Inspection = await quantizer.inspectFile(source);
  const tensor: InspectedTensor | undefined = inspection.tensors[0];
  const comparison: FileComparison = await quantizer.compareFiles(source, source);
  const first: TensorComparison | undefined = comparison.tensors[0];
  await model.close();
  return values.length + same.length + (tensor?.elements ?? 0) + (first === undefined ? 0 : 1);
}

export async function readFromServers(quantizer: ArrowQuant, answer: FetchedResponse): Promise<number> {
  const seen: string[] = [];
  const ask: FetchFunction = async (url: string, init: FetchInit) => {
    seen.push(`${init.method} ${url}`);
    return Promise.resolve(answer);
  };
  const headers: HeaderFields = { Authorization: 'Bearer token' };
  const web: WebOptions = { headers, fetch: ask, accessToken: null, hubUrl: 'https://hub.example' };
  const reading: ReadOptions = { ...web, ...call };
  const inspection = await quantizer.inspectFile('hf:team/model', reading);
  await quantizer.plan(new URL('https://models.example/model.gguf'), {
    ...web,
    headers: [['X-Name', 'value']] as const,
  });
  return seen.length + inspection.elements;
}

/** What models lie in, described by what is used of it. */
export type Places = readonly [
  BlobLike,
  FileLike,
  ByteStream,
  WritableFile,
  WebFileHandle,
  WebFolderHandle,
  NodeFileHandle,
];

const architectures: readonly Architecture[] = ARCHITECTURES;
const blockTypes: readonly BlockType[] = BLOCK_TYPES;
const fileTypes: readonly FileType[] = FILE_TYPES;
const programs: readonly Program[] = PROGRAMS;
const tensorTypes: readonly TensorType[] = TENSOR_TYPES;
export const lists: readonly (readonly string[])[] = [architectures, blockTypes, fileTypes, programs, tensorTypes];

const pairTypes: readonly KeyValueType[] = ['u8', 'string'];
export const pairs: Readonly<Record<string, KeyValue>> = { a: { type: 'u32', value: pairTypes.length } };

export async function check(quantizer: ArrowQuant, weights: WeightsByName, source: ModelSource): Promise<number> {
  const options: ValidateOptions = { minCosine: 'local', progress };
  const result = await quantizer.quantizeBatch(weights);
  const validation: Validation = await quantizer.validate(weights, result, options);
  const { passed, perLayerAccuracy } = await quantizer.validate(source, 'model.gguf', { minCosine: 0.9 });
  return passed ? (perLayerAccuracy.get('a') ?? 0) : validation.cosineSimilarity;
}
