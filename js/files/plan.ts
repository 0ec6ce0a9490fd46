import type { QuantizeError } from '../errors.js';
import type { GgufKeyValue } from './gguf-key-values.js';
import type { GgufLimits } from './gguf-writer.js';
import {
  sourceOf,
  type Container,
  type ContainerName,
  type Model,
  type OutputContents,
  type PlannedTensor,
  type StoredTensor,
  type TensorTarget,
} from './container.js';
import { invalidFile } from './errors.js';
import { storageLabel, tensorPlan, totalsOf, type FilePlan, type FileSummary } from './report.js';

/** What one tensor is to become. */
export interface PlannedStep {
  readonly stored: StoredTensor;
  readonly planned: PlannedTensor;
  /** As in TensorPlan. */
  readonly rule: string | null;
  readonly kept: boolean;
}

/** What a model is to become; steps in the order in which the output lists the tensors. */
export interface ConversionPlan {
  readonly container: Container;
  readonly steps: readonly PlannedStep[];
  readonly keyValues: readonly GgufKeyValue[];
  readonly limits: GgufLimits | undefined;
  readonly splitBytes: number | undefined;
  readonly architecture: string | null;
  readonly type: string;
  readonly notes: readonly string[];
}

/** A step into safetensors: name and shape stay, but that rows which were joined to fill blocks are rows again. */
export function plainStep(stored: StoredTensor, target: TensorTarget, rule: string | null, kept: boolean): PlannedStep {
  const { name, dtype, elements } = stored;
  const shape = stored.originalShape ?? stored.shape;
  return { stored, planned: { name, dtype, shape, elements, target }, rule, kept };
}

/** What the container needs to lay the output out. */
export const contentsOf = (plan: ConversionPlan, model: Model, file: string): OutputContents => ({
  tensors: plan.steps.map(({ planned }) => planned),
  metadata: textsOf(model),
  keyValues: plan.keyValues,
  limits: plan.limits,
  splitBytes: plan.splitBytes,
  file,
});

/** Of a GGUF, what is no array: the text of one is only for people. */
function textsOf({ metadata, keyValues }: Model): ReadonlyMap<string, string> {
  const arrays = new Set(keyValues.flatMap(({ key, array }) => (array === null ? [] : [key])));
  return new Map([...metadata].filter(([key]) => !arrays.has(key)));
}

export const summaryOf = ({ architecture, type, notes }: ConversionPlan, model: Model): FileSummary => ({
  input: model.name,
  container: model.container,
  architecture,
  type,
  notes,
});

/** The plan as callers see it. */
export function filePlan(plan: ConversionPlan, model: Model): FilePlan {
  const { files } = plan.container.layout(contentsOf(plan, model, 'the output'));
  const bytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  const tensors = plan.steps.map(tensorPlan);
  const container: ContainerName = plan.container.name;
  return {
    ...summaryOf(plan, model),
    output: { container, files: files.length, bytes },
    tensors,
    totals: totalsOf(tensors, bytes),
  };
}

/** The error of a tensor that cannot be quantized once more. */
export function quantizedAlready(tensor: StoredTensor): QuantizeError {
  const detail = `it is quantized already (${storageLabel(tensor)}); dequantize it first`;
  return invalidFile(sourceOf(tensor.storage), detail, { layer: tensor.name });
}
