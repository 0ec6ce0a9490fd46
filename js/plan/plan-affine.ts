import { fulfils, idleRules, keepingRule, type TensorRule, type TypedRule } from '../rules/rule.js';
import type { AffineLayout, Model, StoredTensor } from '../containers/container.js';
import type { FloatType } from '../containers/dtypes.js';
import {
  checkLeftovers,
  copiedTarget,
  notHeld,
  plainStep,
  quantizedAlready,
  type ConversionPlan,
  type PlannedStep,
} from './plan.js';
import { affineLabel, droppedTensor, storageLabel } from './report.js';
import { safetensors } from '../containers/safetensors/safetensors.js';
import { warningsAbout } from './warnings.js';
import { readableTensor } from '../convert/weight-source.js';

/** The rule that reports show where none of a preset's says it. */
const NOT_DECODED = 'cannot be decoded';

/** How to quantize to affine levels: the tensors that no rule keeps get `layout`. */
export interface AffineQuantization {
  readonly layout: AffineLayout;
  /** The caller's, which keep or drop; the first one that fits a tensor decides. */
  readonly rules: readonly TypedRule[];
  /** Tried after those: the first one that fits a tensor keeps it as it is. */
  readonly preset: readonly TensorRule[];
  /** Whether to decode again and measure what was lost. */
  readonly measure: boolean;
}

/**
 * Affine levels in safetensors. Throws `invalid_file` for a tensor that is quantized already, `unsupported_dtype` for one
 * of a GGUF that cannot be decoded, `invalid_option` where the rules leave nothing.
 */
export function planAffine(model: Model, { layout, rules, preset }: AffineQuantization): ConversionPlan {
  const described = model.tensors.map((stored) => ({ ...stored, dtype: storageLabel(stored), stored }));
  const ruled = described.map((one) => ({ ...one, own: rules.find(({ when }) => fulfils(one, when)) }));
  const remaining = ruled.filter(({ own }) => own?.type !== 'drop');
  refuseForeign(
    remaining.map(({ stored }) => stored),
    model,
  );
  const steps = remaining.map(({ stored, own, ...description }): PlannedStep => {
    const { storage, dtype } = stored;
    if (storage.kind === 'block' || storage.kind === 'affine') throw quantizedAlready(stored);
    const rule = own ?? keepingRule(preset, description);
    if (storage.kind === 'opaque') return plainStep(stored, copiedTarget(storage), rule?.name ?? NOT_DECODED, true);
    return rule === null
      ? plainStep(stored, { kind: 'affine', ...layout }, null, false)
      : plainStep(stored, { kind: 'plain', dtype }, rule.name, true);
  });
  checkLeftovers(model.tensors, steps);
  const dropped = ruled.flatMap(({ stored, own }) => (own?.type === 'drop' ? [droppedTensor(stored, own.name)] : []));
  const warnings = warningsAbout(steps, model.tensors, idleRules(rules, described));
  return { ...intoSafetensors(steps, affineLabel(layout)), warnings, dropped };
}

/** Throws for tensors of a GGUF that cannot be decoded: safetensors has no such types. */
function refuseForeign(tensors: readonly StoredTensor[], { container }: Model): void {
  if (container === 'safetensors') return;
  const refusal = notHeld(
    tensors.filter(({ storage }) => storage.kind === 'opaque'),
    'safetensors',
  );
  if (refusal !== null) throw refusal;
}

/**
 * Floats in safetensors: quantized tensors become `dtype`, or the type that they had before; the others stay. Throws
 * `unsupported_dtype` for what cannot be decoded.
 */
export function planRestored({ tensors, container }: Model, dtype: FloatType | null): ConversionPlan {
  const stepFor = (tensor: StoredTensor): PlannedStep => {
    const { storage, dtype: original } = tensor;
    if (storage.kind === 'opaque') {
      if (container !== 'safetensors') readableTensor(tensor);
      return plainStep(tensor, copiedTarget(storage), NOT_DECODED, true);
    }
    return storage.kind === 'plain'
      ? plainStep(tensor, { kind: 'plain', dtype: original }, 'not quantized', true)
      : plainStep(tensor, { kind: 'plain', dtype: dtype ?? original }, null, false);
  };
  const steps = tensors.map(stepFor);
  return { ...intoSafetensors(steps, dtype ?? 'as before'), warnings: warningsAbout(steps, tensors, []) };
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
  warnings: [],
  dropped: [],
});
