import type { PlainKeyValue } from '../containers/gguf/plain-key-value.js';
import type { Tensor } from '../layouts/tensor.js';
import type { PipelineTools } from '../pipeline/pipeline.js';
import type { FileWarning } from '../plan/report.js';
import type { Hparams } from './config/hparams.js';
import type { CheckpointFiles } from './files.js';
import type { Weight } from './weights/weight.js';

/** The types of the files that llama.cpp's own quantizer starts from. */
export const INTERMEDIATES = ['F16', 'BF16', 'F32'] as const;

export type Intermediate = (typeof INTERMEDIATES)[number];

/** What a caller may say of a checkpoint that becomes a GGUF. */
export interface CheckpointOptions {
  /** Null: the type of the checkpoint's own weights. */
  readonly via: Intermediate | null;
  /** `general.name`, instead of what folder, config and model card say. */
  readonly name: string | null;
  /** llama.cpp's name of how text is cut before byte-level BPE, for tokenizers that it does not know by their hash. */
  readonly pre: string | null;
  /** Whether the chat template is written. */
  readonly chatTemplate: boolean;
  /** Set after all others: one of a key that is there takes its place. */
  readonly keyValues: readonly PlainKeyValue[];
}

/** A tensor of a checkpoint that a rule of the caller's drops. */
export interface LeftOut {
  readonly tensor: Tensor;
  /** What the report calls the rule. */
  readonly rule: string;
}

/** A model in the layout of transformers, opened: config, weights and what lies beside them. */
export interface Checkpoint {
  /** What error messages call it. */
  readonly name: string;
  readonly files: CheckpointFiles;
  /** config.json with the defaults of its kind of model. */
  readonly hparams: Hparams;
  /** How positions are rotated: `rope_parameters`, or what older files say in its place. */
  readonly rope: Hparams;
  readonly options: CheckpointOptions;
  /** In the order in which llama.cpp's converter reads them: file by file, and by name in each; quantized ones decoded. */
  readonly weights: readonly Weight[];
  /** The same as it is stored, in the same order. */
  readonly stored: readonly Tensor[];
  readonly leftOut: readonly LeftOut[];
  /** `general.file_type` of the file that is written, or of the one that llama.cpp would quantize. */
  readonly fileType: number;
  readonly tools: PipelineTools;
  /** Takes a sentence for the report on what had to be guessed, or was lost. */
  readonly warn: (warning: FileWarning) => void;
}
