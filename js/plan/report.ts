import type { Effort } from '../codecs/codec.js';
import {
  storageLabel,
  fileBytes,
  targetBytes,
  targetLabel,
  type CodedTensor,
  type PlannedTensor,
  type Tensor,
} from '../layouts/tensor.js';
import type { ContainerName, InputContainerName, LayoutName } from '../types.js';
import type { FormatName } from '../formats/names.js';
import type { TensorMetrics } from '../pipeline/metrics.js';

/** What becomes of one tensor, and why. */
export interface TensorPlan {
  readonly name: string;
  /** Sizes by dimension, the contiguous one last. */
  readonly shape: readonly number[];
  /** Name and shape in the output; a family's prefix is stripped, and rows that fit no block may be joined. */
  readonly outputName: string;
  readonly outputShape: readonly number[];
  readonly elements: number;
  /** Element type or block format, or what it was quantized to: `F16`, `Q4_K`, `int4 g128`, `int8 tensor symmetric`. */
  readonly from: string;
  readonly to: string;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Of the output. */
  readonly bitsPerWeight: number;
  /** Whether its bytes are copied as they are. */
  readonly kept: boolean;
  /** Name of the rule that decided; null where nothing but the type that was asked for did. */
  readonly rule: string | null;
}

/** What became of one tensor. */
export interface TensorReport extends TensorPlan {
  /** What conversion lost; null where nothing was converted or measured, or a restored weight is beyond f32. */
  readonly rmse: number | null;
  /** `rmse` over the root of the mean square of the original. */
  readonly relativeRmse: number | null;
  readonly cosine: number | null;
  readonly maxError: number | null;
  /**
   * Share of the squared error, weighed by importance where there is some, that more effort than `reference` has saved; null
   * where none was made or measured, or the reference has no error.
   */
  readonly savedError: number | null;
}

/** A tensor of the input that the output is without. */
export interface DroppedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  /** As in TensorPlan. */
  readonly from: string;
  readonly bytes: number;
  /** Name of the rule that decided. */
  readonly rule: string;
}

/**
 * `rule_without_match`: a rule of the caller's matches no tensor, or only such as are left out anyway. `quantized_again`:
 * tensors are quantized though they were quantized before. `copied_undecoded`: tensors are copied because their types cannot
 * be decoded, or are not known. `rows_fell_back`: tensors get another type than they should, because their rows are no whole
 * blocks of it. `checkpoint_doubt`: something of a model in the layout of transformers is guessed, or left out.
 * `infinite_weights`: tensors have infinities or NaN that llama.cpp's converter has there, too; only a report has it.
 * `importance_unused`: an importance matrix changes no tensor. `below_min_cosine`: tensors lose more than the accuracy floor allows,
 * because no type reaches it, a rule says what they become, or there is no `fallback`. `nothing_quantized`: a model of floats is to
 * be quantized, but all of them stay floats, though no rule of the caller's says so.
 */
export type FileWarningCode =
  | 'rule_without_match'
  | 'quantized_again'
  | 'copied_undecoded'
  | 'rows_fell_back'
  | 'checkpoint_doubt'
  | 'infinite_weights'
  | 'importance_unused'
  | 'below_min_cosine'
  | 'nothing_quantized';

/** What is likely to be a mistake, or costs quality, though the conversion can be done. */
export interface FileWarning {
  /** Stable; `message` is for people. */
  readonly code: FileWarningCode;
  readonly message: string;
}

/** Sums over the tensors of a plan. */
export interface PlanTotals {
  readonly tensors: number;
  readonly converted: number;
  readonly kept: number;
  readonly elements: number;
  /** Bytes of the tensors, headers not counted. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** `bytesBefore / bytesAfter`. */
  readonly ratio: number;
  /** Of the output's tensors, all together. */
  readonly bitsPerWeight: number;
  /** Bytes of the whole output, headers included. */
  readonly fileBytes: number;
}

export interface FileTotals extends PlanTotals {
  readonly seconds: number;
  /** `bytesBefore / seconds`. */
  readonly bytesPerSecond: number;
  /** What came over the network, headers of the model and repeated tries included; 0 for a model that is here. */
  readonly downloadedBytes: number;
}

/** What a plan and a report say of the whole. */
export interface FileSummary {
  readonly input: string;
  /** Container of the input. */
  readonly container: InputContainerName;
  /** Architecture of the model; null when it is unknown, or of no consequence. */
  readonly architecture: string | null;
  /** Programs that are known to open a GGUF of this kind: `ComfyUI-GGUF`, `stable-diffusion.cpp`, `llama.cpp`. */
  readonly opensIn: readonly string[];
  /** Programs for such models that are known not to open it. */
  readonly notIn: readonly string[];
  /** What was asked for: `Q4_K_M`, `int4 g128`. */
  readonly type: string;
  /** The most that was made for any tensor. */
  readonly effort: Effort;
  /** How many tensors are encoded by how much each of their columns counts. */
  readonly weighed: number;
  /** Sentences about the model as a whole that a user should know. */
  readonly notes: readonly string[];
  readonly warnings: readonly FileWarning[];
  /** What is left out, in sorted name order: by a rule of the caller's, or because the model has no use for it. */
  readonly dropped: readonly DroppedTensor[];
}

/** One part of an output, which a run of its own can write. */
export interface PartPlan {
  /** One of weights; the first part has those, too, that are none. */
  readonly files: number;
  readonly bytes: number;
  /** Output names of its tensors. */
  readonly tensors: readonly string[];
}

/** Which part of an output a report is about. */
export interface PartOfReport {
  /** From 1 on. */
  readonly part: number;
  readonly parts: number;
  /** Whether it was there already, complete and right, so that nothing was written. */
  readonly leftAlone: boolean;
  /** The file that says what the part is. */
  readonly manifest: string;
}

/** What a conversion would do; tensors in the order in which they lie in the output. */
export interface FilePlan extends FileSummary {
  readonly output: {
    readonly container: ContainerName | 'onnx';
    /** How what is quantized lies in it. */
    readonly layout: LayoutName | FormatName;
    readonly files: number;
    /** The names of the files; only of an output that is a folder. */
    readonly names?: readonly string[];
    /** Parts that can be written one by one, in order; only of an output that has several. */
    readonly parts?: readonly PartPlan[];
    /** Exact, but for the index of split safetensors, which has the files' names in it. */
    readonly bytes: number;
  };
  readonly tensors: readonly TensorPlan[];
  readonly totals: PlanTotals;
}

/** Outcome of a conversion; tensors in sorted name order. */
export interface FileReport extends FileSummary {
  readonly output: string;
  /** All files that were written; one, unless the output was split. */
  readonly files: readonly string[];
  /** Present where only one part was written: files and tensors are those of it. */
  readonly part?: PartOfReport;
  readonly tensors: readonly TensorReport[];
  readonly totals: FileTotals;
}

/** What happens during a conversion. */
export type FileEvent =
  /** Before the start, where an accuracy floor or a size is asked for: `done` of `tensors` that are to be encoded have been measured. */
  | { readonly type: 'measure'; readonly tensor: string; readonly done: number; readonly tensors: number }
  /** Everything has been checked and planned; `bytes` of input are to be dealt with. */
  | {
      readonly type: 'start';
      readonly tensors: number;
      readonly bytes: number;
      /** As in FileSummary. */
      readonly warnings: readonly FileWarning[];
    }
  /** `done` of `bytes` have been dealt with after `seconds`; the last ones were those of `tensor`. */
  | {
      readonly type: 'bytes';
      readonly tensor: string;
      readonly done: number;
      readonly bytes: number;
      readonly seconds: number;
      /** `done / seconds`. */
      readonly bytesPerSecond: number;
      /** At that rate; infinite as long as nothing is done. */
      readonly secondsLeft: number;
      /** As in FileTotals, until now: what is read but not yet dealt with, too. */
      readonly downloadedBytes: number;
    }
  /** A tensor is written; it is number `done` of `tensors`. */
  | { readonly type: 'tensor'; readonly report: TensorReport; readonly done: number; readonly tensors: number };

/** How the blocks of a matrix lie whose groups run down the columns: entries are levels, scales and packed zero points. */
export interface ColumnBlocks {
  readonly rows: number;
  readonly columns: number;
  /** `columns`: block by block of one column after the other; `rows`: packed levels of one row after the other. */
  readonly order: 'columns' | 'rows';
  /** Rows that count as weights: with those whose zero points fill up the last byte of a column, for programs that do that. */
  readonly encodedRows: number;
}

/** What one tensor is to become. */
export interface PlannedStep {
  readonly stored: Tensor;
  /** What the file has, where `stored` is made of it as it is read; undefined where they are the same. */
  readonly origin?: Tensor | undefined;
  readonly planned: PlannedTensor;
  /** As in TensorPlan. */
  readonly rule: string | null;
  readonly kept: boolean;
  /** Whether the caller has said what it becomes, by a rule: nothing that is measured changes that. */
  readonly isAsked?: boolean | undefined;
  /** How much each column of a row counts, for codecs that use it; as many for each matrix, where there are several. */
  readonly importance?: Float32Array | undefined;
  /**
   * What its type cannot hold becomes infinite or NaN, as llama.cpp's converter has it, and is told. Default: it is refused.
   * Only floats and Q8_0 can have it, which do not look at whole rows or tensors.
   */
  readonly overflows?: boolean | undefined;
  /** How hard the codec searches: place in EFFORTS. */
  readonly effort?: number | undefined;
  /** Tensors whose extent counts beside its own, for a codec that needs to know it: all of them are scanned first. */
  readonly rangeOf?: readonly CodedTensor[] | undefined;
  /** Present where groups of weights run down the columns. */
  readonly columns?: ColumnBlocks | undefined;
  /** Bytes of its entries, where these are not all of the codec's planes, or more than those. */
  readonly writtenBytes?: number | undefined;
}

/** A planned step as callers see it. */
export function tensorPlan({ stored, origin = stored, planned, rule, kept, writtenBytes }: PlannedStep): TensorPlan {
  const bytesAfter = writtenBytes ?? targetBytes(planned.elements, planned.target);
  return {
    name: stored.name,
    shape: stored.shape,
    outputName: planned.name,
    outputShape: planned.shape,
    elements: stored.elements,
    from: storageLabel(origin),
    to: targetLabel(planned.target),
    bytesBefore: fileBytes(origin),
    bytesAfter,
    bitsPerWeight: bitsPerWeight(bytesAfter, planned.elements),
    kept: kept && origin === stored,
    rule,
  };
}

/** A tensor that is left out, as callers see it. */
export const droppedTensor = (stored: Tensor, rule: string): DroppedTensor => ({
  name: stored.name,
  shape: stored.shape,
  elements: stored.elements,
  from: storageLabel(stored),
  bytes: fileBytes(stored),
  rule,
});

export const tensorReport = (step: PlannedStep, metrics: TensorMetrics | null): TensorReport =>
  // Not a spread, which is slow: there may be fifty thousand of them.
  Object.assign(tensorPlan(step), {
    rmse: metrics?.rmse ?? null,
    relativeRmse: metrics?.relativeRmse ?? null,
    cosine: metrics?.cosine ?? null,
    maxError: metrics?.maxError ?? null,
    savedError: metrics?.savedError ?? null,
  });

const bitsPerWeight = (bytes: number, elements: number): number => (elements === 0 ? 0 : (bytes * 8) / elements);

export function totalsOf(tensors: readonly TensorPlan[], fileBytes: number): PlanTotals {
  const sum = (of: (tensor: TensorPlan) => number): number => tensors.reduce((total, tensor) => total + of(tensor), 0);
  const elements = sum((tensor) => tensor.elements);
  const bytesBefore = sum((tensor) => tensor.bytesBefore);
  const bytesAfter = sum((tensor) => tensor.bytesAfter);
  const kept = tensors.filter((tensor) => tensor.kept).length;
  return {
    tensors: tensors.length,
    converted: tensors.length - kept,
    kept,
    elements,
    bytesBefore,
    bytesAfter,
    ratio: bytesAfter === 0 ? 1 : bytesBefore / bytesAfter,
    bitsPerWeight: bitsPerWeight(bytesAfter, elements),
    fileBytes,
  };
}
