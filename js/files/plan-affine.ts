import { keepingRule, type TensorRule } from '../rules/rule.js';
import { sourceOf, type AffineLayout, type Model, type StoredTensor } from './container.js';
import type { DType, FloatType } from './dtypes.js';
import { invalidFile } from './errors.js';
import { plainStep, type ConversionPlan, type PlannedStep } from './plan.js';
import { affineLabel, storageLabel } from './report.js';
import { safetensors } from './safetensors.js';
import { readableTensor } from './weight-source.js';

/** How to quantize to affine levels: the tensors that no rule keeps get `layout`. */
export interface AffineQuantization {
  readonly layout: AffineLayout;
  /** The first one that fits a tensor keeps it as it is. */
  readonly rules: readonly TensorRule[];
  /** Whether to decode again and measure what was lost. */
  readonly measure: boolean;
}

/** Affine levels in safetensors. Throws `invalid_file` for a tensor that is quantized already. */
export function planAffine({ tensors }: Model, { layout, rules }: AffineQuantization): ConversionPlan {
  const stepFor = (tensor: StoredTensor): PlannedStep => {
    if (tensor.storage.kind !== 'plain') {
      const detail = `it is quantized already (${storageLabel(tensor)}); dequantize it first`;
      throw invalidFile(sourceOf(tensor.storage), detail, { layer: tensor.name });
    }
    const rule = keepingRule(rules, tensor);
    return rule === null
      ? plainStep(tensor, { kind: 'affine', ...layout }, null, false)
      : plainStep(tensor, { kind: 'plain', dtype: tensor.dtype }, rule.name, true);
  };
  return intoSafetensors(tensors.map(stepFor), affineLabel(layout));
}

/** Floats in safetensors: of type `dtype`, or of the type that each tensor had before. */
export function planRestored({ tensors }: Model, dtype: FloatType | null): ConversionPlan {
  const stepFor = (tensor: StoredTensor): PlannedStep => {
    const { storage, dtype: original } = tensor;
    return storage.kind === 'plain'
      ? unjoined(plainStep(tensor, { kind: 'plain', dtype: original }, 'not quantized', true))
      : restoredStep(tensor, dtype ?? original);
  };
  return intoSafetensors(tensors.map(stepFor), dtype ?? 'as before');
}

function restoredStep(tensor: StoredTensor, dtype: DType): PlannedStep {
  if (tensor.storage.kind === 'opaque') readableTensor(tensor);
  return unjoined(plainStep(tensor, { kind: 'plain', dtype }, null, false));
}

/** The same step, with the shape that the tensor had before its rows were joined: those that stayed floats have it too. */
const unjoined = (step: PlannedStep): PlannedStep => {
  const { originalShape, shape } = step.stored;
  return { ...step, planned: { ...step.planned, shape: originalShape ?? shape } };
};

const intoSafetensors = (steps: readonly PlannedStep[], type: string): ConversionPlan => ({
  container: safetensors,
  steps,
  keyValues: [],
  limits: undefined,
  splitBytes: undefined,
  architecture: null,
  type,
  notes: [],
});
