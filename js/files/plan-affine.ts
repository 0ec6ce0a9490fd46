import { keepingRule, type TensorRule } from '../rules/rule.js';
import type { AffineLayout, Model, StoredTensor } from './container.js';
import type { FloatType } from './dtypes.js';
import { plainStep, quantizedAlready, type ConversionPlan, type PlannedStep } from './plan.js';
import { affineLabel } from './report.js';
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
    if (tensor.storage.kind !== 'plain') throw quantizedAlready(tensor);
    const rule = keepingRule(rules, tensor);
    return rule === null
      ? plainStep(tensor, { kind: 'affine', ...layout }, null, false)
      : plainStep(tensor, { kind: 'plain', dtype: tensor.dtype }, rule.name, true);
  };
  return intoSafetensors(tensors.map(stepFor), affineLabel(layout));
}

/**
 * Floats in safetensors: quantized tensors become `dtype`, or the type that they had before; the others stay. Throws
 * `unsupported_dtype` for what cannot be decoded.
 */
export function planRestored({ tensors }: Model, dtype: FloatType | null): ConversionPlan {
  const stepFor = (tensor: StoredTensor): PlannedStep => {
    const { storage, dtype: original } = tensor;
    if (storage.kind === 'opaque') readableTensor(tensor);
    return storage.kind === 'plain'
      ? plainStep(tensor, { kind: 'plain', dtype: original }, 'not quantized', true)
      : plainStep(tensor, { kind: 'plain', dtype: dtype ?? original }, null, false);
  };
  return intoSafetensors(tensors.map(stepFor), dtype ?? 'as before');
}

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
