import { QuantizeError } from '../errors.js';
import type { GgufKeyValue } from '../containers/gguf/key-values.js';
import type { GgufLimits } from '../containers/gguf/writer.js';
import {
  sourceOf,
  type Container,
  type ContainerName,
  type Model,
  type OutputContents,
  type PlannedTensor,
  type StoredTensor,
  type TensorStorage,
  type TensorTarget,
} from '../containers/container.js';
import { invalidFile } from '../containers/invalid-file.js';
import {
  byName,
  storageLabel,
  tensorPlan,
  totalsOf,
  type DroppedTensor,
  type FilePlan,
  type FileSummary,
  type FileWarning,
} from './report.js';

/** Names of hostile files are long. */
const LONGEST_PATTERN = 120;

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
  readonly warnings: readonly FileWarning[];
  readonly dropped: readonly DroppedTensor[];
}

/** A step into safetensors: name and shape stay, but that rows which were joined to fill blocks are rows again. */
export function plainStep(stored: StoredTensor, target: TensorTarget, rule: string | null, kept: boolean): PlannedStep {
  const { name, dtype, elements } = stored;
  const shape = stored.originalShape ?? stored.shape;
  return { stored, planned: { name, dtype, shape, elements, target }, rule, kept };
}

/** What an opaque tensor is in an output of its own container: the same bytes. */
export function copiedTarget({ type, ggmlId, data }: Extract<TensorStorage, { kind: 'opaque' }>): TensorTarget {
  const { bytes } = data;
  return ggmlId === undefined ? { kind: 'opaque', type, bytes } : { kind: 'opaque', type, ggmlId, bytes };
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

export const summaryOf = (
  { architecture, type, notes, warnings, dropped }: ConversionPlan,
  model: Model,
): FileSummary => ({
  input: model.name,
  container: model.container,
  architecture,
  type,
  notes,
  warnings,
  dropped: [...dropped].sort(byName),
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

/**
 * The error of tensors that the output's format cannot hold, `tensors` being all of them; the way out is a rule that matches
 * the first.
 */
export function notHeld(tensors: readonly StoredTensor[], container: 'GGUF' | 'safetensors'): QuantizeError | null {
  const [tensor, ...others] = tensors;
  if (tensor === undefined) return null;
  const { name, storage } = tensor;
  const more = others.length === 0 ? '' : ` (${others.length} more cannot be held either)`;
  const file = container === 'GGUF' ? 'a GGUF' : 'a safetensors file';
  const advice = `${file} cannot hold it, leave it out with the rule '${patternOf(name)}=drop'${more}`;
  const about = { file: sourceOf(storage).name, layer: name, detail: storageLabel(tensor), advice };
  return new QuantizeError('unsupported_dtype', about);
}

/** A pattern for that name alone; characters that would steer matching, a shell or a terminal stand for any one. */
const patternOf = (name: string): string =>
  name.length > LONGEST_PATTERN ? `^${wild(name.slice(0, LONGEST_PATTERN))}` : `^${wild(name)}$`;

const wild = (text: string): string => text.replace(/[^\w:-]/gu, '.');

/** Refuses a plan that leaves nothing of a model that has tensors. */
export function checkLeftovers(tensors: readonly StoredTensor[], steps: readonly PlannedStep[]): void {
  if (tensors.length === 0 || steps.length > 0) return;
  throw new QuantizeError('invalid_option', {
    detail: 'the rules drop every tensor, so that nothing is left to write',
  });
}
