import { containerNamed } from '../../containers/registry.js';
import { QuantizeError, quoted } from '../../errors.js';
import { checkReadable } from '../../models/factors.js';
import { codecTarget, type OutputForm } from '../../plan/plan.js';
import { droppedTensor, type DroppedTensor, type FileWarning, type PlannedStep } from '../../plan/report.js';
import { warningsAbout } from '../../plan/warnings.js';
import { idleRules, type TypedRule } from '../../rules/rule.js';
import { checkRules, described, floatOf, floatStep, namedStep, ruleFor } from '../folder/steps.js';
import { mlx, moduleOf } from './layout.js';
import type { MlxModel } from './models.js';
import type { MlxOptions } from './options.js';
import { codecFor, layerPlace, mixedBits, said, type ModulePrecision } from './precision.js';
import type { Weight } from './weights.js';

/** What decides on the tensors of a model. */
export interface Deciding {
  readonly options: MlxOptions;
  readonly rules: MlxModel;
  /** The caller's. */
  readonly own: readonly TypedRule[];
  /** What floats become; null: what they are. */
  readonly dtype: string | null;
  readonly layers: number;
}

export interface PlannedWeights {
  readonly steps: readonly PlannedStep[];
  readonly dropped: readonly DroppedTensor[];
  readonly warnings: readonly FileWarning[];
  /** The modules that are quantized, by their paths. */
  readonly modules: readonly (readonly [path: string, of: ModulePrecision])[];
}

export const FORM: OutputForm = { container: containerNamed('safetensors'), layout: mlx };

/**
 * Linear, Embedding and SwitchLinear are quantized whose rows are whole groups; everything else stays floats. Throws
 * `invalid_option` where a rule of the caller's cannot apply, or a mixture finds no down projections.
 */
export function planWeights(weights: readonly Weight[], deciding: Deciding): PlannedWeights {
  const { options, own } = deciding;
  checkRules(own, FORM);
  const precisionOf = precisions(weights, deciding);
  const modules: (readonly [string, ModulePrecision])[] = [];
  const dropped: DroppedTensor[] = [];
  const steps: PlannedStep[] = [];
  for (const weight of weights) {
    const rule = ruleFor(weight, own);
    if (rule?.type === 'drop') {
      dropped.push(droppedTensor(weight.stored, rule.name));
      continue;
    }
    checkReadable([weight.stored]);
    const why = rule === undefined || rule.type === 'quantize' ? whyNotQuantized(weight, deciding) : rule.name;
    if (rule?.type === 'quantize' && why !== null) throw cannotQuantize(weight, rule, why);
    const module = why === null ? moduleOf(weight.name) : null;
    const precision = module === null ? null : precisionOf(module);
    if (module === null || precision === null) {
      const step = floatStep(weight, typeFor(weight, rule, deciding), why ?? 'no weight of a module', FORM);
      steps.push(weight.was === undefined ? step : { ...step, origin: weight.was });
      continue;
    }
    const { groupSize } = precision;
    const row = weight.stored.shape.at(-1) ?? 0;
    // mlx-lm asks for whole groups of the size that was asked for, and fails where a module has another one of its own.
    if (row % options.precision.groupSize !== 0 || row % groupSize !== 0) {
      const reason = `rows of ${row} weights are no whole groups of ${row % groupSize === 0 ? options.precision.groupSize : groupSize}`;
      if (rule?.type === 'quantize') throw cannotQuantize(weight, rule, reason);
      steps.push(floatStep(weight, typeFor(weight, undefined, deciding), reason, FORM));
      continue;
    }
    modules.push([module, precision]);
    steps.push(namedStep(weight, codecTarget(codecFor(precision, floatTypeOf(weight, deciding))), null, false));
  }
  const tensors = weights.map(({ stored }) => stored);
  return { steps, dropped, modules, warnings: warningsAbout(steps, tensors, idleRules(own, weights.map(described))) };
}

const cannotQuantize = ({ name }: Weight, rule: TypedRule, why: string): QuantizeError =>
  new QuantizeError('invalid_option', {
    layer: name,
    detail: `${rule.name} cannot apply to tensor ${quoted(name)}: ${why}`,
  });

const floatTypeOf = ({ stored, was = stored }: Weight, { dtype }: Deciding): string => dtype ?? floatOf(was) ?? 'F32';

/** What a tensor becomes that stays floats; null: what it is. */
function typeFor(
  { name, stored, was = stored }: Weight,
  rule: TypedRule | undefined,
  { dtype, rules }: Deciding,
): string | null {
  if (rule !== undefined && rule.type !== 'keep' && rule.type !== 'quantize') {
    if (stored.codec !== null) return rule.type;
    const detail = `${rule.name} cannot apply to tensor ${quoted(name)}: its elements are ${stored.type.name}`;
    throw new QuantizeError('invalid_option', { layer: name, detail });
  }
  return rules.uncast?.test(name) === true ? null : (dtype ?? floatOf(was));
}

/** Null where it is a matrix of a module that can be quantized. */
function whyNotQuantized({ name, stored, isStack }: Weight, { rules }: Deciding): string | null {
  const module = moduleOf(name);
  const isMatrix = stored.shape.length === (isStack ? 3 : 2);
  if (module === null || !isMatrix || stored.elements === 0) return 'no matrix of a Linear, Embedding or SwitchLinear';
  if (stored.codec === null) return 'no floats';
  return rules.plain?.test(module) === true ? 'mlx-lm does not quantize such modules' : null;
}

/** How precisely each module is held. */
function precisions(weights: readonly Weight[], deciding: Deciding): (path: string) => ModulePrecision {
  const { options, rules, layers } = deciding;
  const { precision, mixture, isGroupSizeGiven } = options;
  if (mixture === null) {
    const precise = { mode: 'affine', bits: 8, groupSize: 64, said: said(64, 8) } as const;
    return (path) => (rules.precise?.test(path) === true ? precise : precision);
  }
  const place = layerPlace(weights.flatMap(({ name }) => moduleOf(name) ?? []));
  if (place < 0) {
    const detail = `mix ${mixture} is for models with layers called down_proj, of which this one has none; leave it out`;
    throw new QuantizeError('invalid_option', { detail });
  }
  return (path) => {
    const bits = mixedBits(mixture, path, layers, place);
    const size = isGroupSizeGiven ? precision.groupSize : null;
    return { ...precision, bits, said: said(size, bits, 'affine') };
  };
}
