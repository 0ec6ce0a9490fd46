import { text, u32, type GgufKeyValue } from '../containers/gguf/key-values.js';
import type { Tensor } from '../layouts/tensor.js';
import type { Model } from '../models/model.js';
import type { PipelineTools } from '../pipeline/pipeline.js';
import type { FileWarning } from '../plan/report.js';
import { FILE_TYPE_IDS } from '../containers/gguf/ggml-types.js';
import type { FileType } from '../types.js';
import type { Architecture } from './architectures/architecture.js';
import { architectureFor } from './architectures/table.js';
import { checkVocabulary } from './architectures/base/vocabulary.js';
import {
  INTERMEDIATES,
  type Checkpoint,
  type CheckpointOptions,
  type Intermediate,
  type LeftOut,
} from './checkpoint.js';
import type { Hparams } from './config/hparams.js';
import { readConfig } from './config/read.js';
import { CheckpointFiles } from './files.js';
import { refuseBroken } from './left-out.js';
import { setGiven } from './given-pairs.js';
import { KeyList } from './key-list.js';
import { setGeneral } from './metadata/general.js';
import { parametersOf } from './metadata/parameter-counts.js';
import { decodedWeights, inConverterOrder } from './weights/decoded.js';
import { methodOf } from './weights/quantized/method.js';
import { withModelOpt } from './weights/quantized/model-opt.js';
import type { Weight } from './weights/weight.js';

/** `general.quantization_version`, which every file has. */
const QUANTIZATION_VERSION = 2;

/** A checkpoint as llama.cpp's converter writes it, but for the types of its tensors. */
export interface OpenedCheckpoint {
  readonly architecture: Architecture;
  /** Under their names in the GGUF, in its order. */
  readonly tensors: readonly Tensor[];
  readonly keyValues: readonly GgufKeyValue[];
  /** The type of the checkpoint's own weights, or the one that the caller wants in its place. */
  readonly intermediate: Intermediate;
  readonly warnings: readonly FileWarning[];
}

/**
 * Reads all that a GGUF says of a checkpoint; `fileType` is what it becomes where that is a type that the converter writes
 * itself, null where it is quantized from the intermediate. `leftOut` are those of its tensors that the caller does not want.
 * Rejects with `unsupported_model` for models that llama.cpp's converter does not know, with `invalid_file` for files that
 * contradict each other, and with `invalid_option` where the GGUF needs what is left out.
 */
export async function openCheckpoint(
  model: Model,
  options: CheckpointOptions,
  fileType: FileType | null,
  leftOut: readonly LeftOut[],
  tools: PipelineTools,
): Promise<OpenedCheckpoint> {
  const { architecture, intermediate, checkpoint, warnings } = await assembled(
    model,
    options,
    fileType,
    leftOut,
    tools,
  );
  const tensors = await architecture.tensors(checkpoint);
  const keyValues = await pairsOf(checkpoint, architecture, tensors);
  return { architecture, tensors, keyValues, intermediate, warnings };
}

/** The tensors of a checkpoint's GGUF, under their names there, with the values of the checkpoint. Rejects as `openCheckpoint` does. */
export async function convertedTensors(model: Model, tools: PipelineTools): Promise<readonly Tensor[]> {
  const { architecture, checkpoint } = await assembled(model, NO_OPTIONS, null, [], tools);
  return architecture.tensors(checkpoint);
}

const NO_OPTIONS: CheckpointOptions = { via: null, name: null, pre: null, chatTemplate: true, keyValues: [] };

interface Assembled extends Pick<OpenedCheckpoint, 'architecture' | 'intermediate' | 'warnings'> {
  readonly checkpoint: Checkpoint;
}

async function assembled(
  model: Model,
  options: CheckpointOptions,
  fileType: FileType | null,
  leftOut: readonly LeftOut[],
  tools: PipelineTools,
): Promise<Assembled> {
  const files = new CheckpointFiles(model.companions);
  const { hparams, classes, rope } = await readConfig(files, model.name);
  const architecture = architectureFor(classes, hparams, model.name);
  const without = new Set(leftOut.map(({ tensor }) => tensor));
  const kept = { ...model, tensors: model.tensors.filter((tensor) => !without.has(tensor)) };
  refuseBroken(model.tensors, leftOut);
  const weights = await decodedWeights(kept, await withModelOpt(hparams, files), architecture.ownMethod);
  const intermediate = options.via ?? ownType(weights);
  const warnings: FileWarning[] = [];
  const checkpoint: Checkpoint = {
    ...{ name: model.name, files, hparams, rope, options, weights, leftOut, tools },
    stored: inConverterOrder(kept),
    fileType: fileTypeId(fileType ?? intermediate, architecture, hparams),
    warn: (warning) => void warnings.push(warning),
  };
  return { architecture, intermediate, checkpoint, warnings };
}

/** Files of floats with experts that are MXFP4 are of a type of their own. */
function fileTypeId(type: FileType, { ownMethod }: Architecture, hparams: Hparams): number {
  const isMixed = ownMethod === 'mxfp4' && methodOf(hparams) === ownMethod;
  return FILE_TYPE_IDS[isMixed && INTERMEDIATES.some((float) => float === type) ? 'MXFP4_MOE' : type];
}

/** By the first matrix of halves, as the converter's own choice goes; where all are F32, that. */
function ownType(weights: readonly Weight[]): Intermediate {
  const first = weights.find(({ shape, codec: { name } }) => shape.length > 1 && name !== 'F32');
  return first === undefined ? 'F32' : (first.codec.name as Intermediate);
}

async function pairsOf(
  checkpoint: Checkpoint,
  architecture: Architecture,
  tensors: readonly Tensor[],
): Promise<readonly GgufKeyValue[]> {
  const pairs = new KeyList();
  pairs.set(text('general.architecture', architecture.name));
  await architecture.early?.(pairs, checkpoint);
  await setGeneral(pairs, checkpoint, parametersOf(tensors));
  await architecture.parameters(pairs, checkpoint);
  pairs.set(u32('general.quantization_version', QUANTIZATION_VERSION));
  await architecture.vocabulary(pairs, checkpoint);
  checkVocabulary(pairs, tensors, checkpoint);
  setGiven(pairs, tensors, checkpoint.options);
  return pairs.pairs;
}
