import { codecLabel, codecNamed, isFloat, needsRows, sameCodec, traitsOf, type Codec } from '../codecs/codec.js';
import type { Container } from '../containers/container.js';
import type { PipelineTools } from '../pipeline/pipeline.js';
import { QuantizeError, quoted } from '../errors.js';
import { layoutNamed } from '../layouts/table.js';
import { storageLabel, type Tensor } from '../layouts/tensor.js';
import type { Model } from '../models/model.js';
import type { TensorType } from '../types.js';
import { rowWeights } from '../rules/file-types.js';
import { fulfils, idleRules, keepingRule, type TensorRule, type PlainRule } from '../rules/rule.js';
import { undecodedBecause } from '../rules/type-rules.js';
import { stretchUnit } from '../pipeline/stretches.js';
import { WINDOW_WEIGHTS } from '../wasm/windows.js';
import { keepingOverflowing } from './f16-overflow.js';
import { withImportance, type Importance } from './importance.js';
import { matrixWarnings, type MatrixOrigin } from './importance-matrix.js';
import { nothingQuantized, type Asked } from './nothing-quantized.js';
import {
  checkHeld,
  checkLeftovers,
  codecTarget,
  copiedTarget,
  floatFor,
  notHeld,
  patternOf,
  sameStep,
  whyNotHeld,
  type ConversionPlan,
  type OutputForm,
} from './plan.js';
import { droppedTensor, type FileWarning, type PlannedStep } from './report.js';
import { checkReadable, hasFactor, withFactors } from '../models/factors.js';
import { warningsAbout } from './warnings.js';

/** Bits of some tensors. */
export interface FixedBits {
  readonly bitsOf: (tensor: string) => number | undefined;
  /** A sentence on each entry that fits none of the tensors. */
  readonly idle: (tensors: readonly string[]) => readonly string[];
}

/** One codec for every tensor that no rule keeps. */
export interface UniformQuantization extends OutputForm {
  readonly codec: Codec;
  /** Tensors that no rule is about, and that get other bits than the codec's; null where there are none. */
  readonly layerBits: FixedBits | null;
  /** The caller's; the first one that fits a tensor decides. */
  readonly rules: readonly PlainRule[];
  /** Tried after those: the first one that fits a tensor keeps it as it is. */
  readonly preset: readonly TensorRule[];
  readonly importance: Importance | null;
  /** Where a file gave the importance. */
  readonly matrix?: MatrixOrigin | null | undefined;
  readonly effort: number;
  /** Whether a tensor with a weight that is too large for F16 becomes F32 instead; such weights are refused otherwise. */
  readonly keepOverflowing: boolean;
  readonly splitBytes: number | undefined;
  /** Whether to decode again and measure what was lost. */
  readonly measure: boolean;
}

/**
 * Rejects with `invalid_option` where the output cannot hold the codec, a rule cannot apply, or the rules leave nothing; with
 * `unsupported_dtype` for tensors that it cannot hold.
 */
export async function planUniform(
  model: Model,
  quantization: UniformQuantization,
  tools: PipelineTools,
): Promise<ConversionPlan> {
  const { codec, rules, container, layout, splitBytes } = quantization;
  checkHeld(codec, quantization);
  // Where fp8 is kept, its factors are kept beside it.
  const { tensors, taken, staleTexts } = await withFactors(model, { keepFp8: !isFloat(codec), foreign: 'mark' });
  const described = tensors.map((stored) => ({ stored, ...describe(stored, storageLabel(stored)) }));
  const ruled = described.map((one) => {
    const own = rules.find(({ when }) => fulfils(one, when));
    return { ...one, own: own ?? rulingBits(one.name, quantization) };
  });
  const remaining = ruled.filter(({ own }) => own?.type !== 'drop');
  checkReadable(remaining.map(({ stored }) => stored));
  const foreign = remaining.filter(
    ({ stored }) => stored.codec === null && copiedTarget(stored, quantization) === null,
  );
  const refusal = notHeld(
    foreign.map(({ stored }) => stored),
    quantization,
  );
  if (refusal !== null) throw refusal;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const planned = remaining.map(({ stored, own }) => {
    if (own !== undefined && codecOf(own) !== null && hasFactor(stored, byName)) throw withoutFactor(stored, own);
    return stepFor(stored, own, quantization);
  });
  checkLeftovers(tensors, planned);
  const narrowed = quantization.keepOverflowing ? await keepingOverflowing(planned, tools) : planned;
  const steps = withImportance(narrowed, quantization, model);
  const dropped = [
    ...ruled.flatMap(({ stored, own }) => (own?.type === 'drop' ? [droppedTensor(stored, own.name)] : [])),
    ...taken.map(({ tensor, why }) => droppedTensor(tensor, why)),
  ];
  const warnings = [
    ...warningsAbout(steps, tensors, idleRules(rules, described)),
    ...idleBits(quantization, tensors),
    ...matrixWarnings(quantization.matrix, steps, quantization.effort),
    ...(isFloat(codec) ? [] : nothingQuantized(steps, askedOf(quantization))),
  ];
  return { ...plainPlan({ container, layout }, steps, codecLabel(codec)), splitBytes, staleTexts, warnings, dropped };
}

/** What the caller says of a tensor: by a rule, or the codec that it gets by its bits. */
type Ruling = PlainRule | { readonly name: string; readonly type: 'codec'; readonly codec: Codec };

/** The codec that it gives; null where it keeps the tensor, or drops it. */
function codecOf(ruling: Ruling): Codec | null {
  if (ruling.type === 'codec') return ruling.codec;
  return ruling.type === 'keep' || ruling.type === 'drop' ? null : codecNamed(ruling.type);
}

function rulingBits(tensor: string, { layerBits, codec }: UniformQuantization): Ruling | undefined {
  const bits = layerBits?.bitsOf(tensor);
  return bits === undefined ? undefined : { name: `layerBits=${bits}`, type: 'codec', codec: { ...codec, bits } };
}

const idleBits = ({ layerBits }: UniformQuantization, tensors: readonly Tensor[]): readonly FileWarning[] =>
  (layerBits?.idle(tensors.map(({ name }) => name)) ?? []).map((message) => ({ code: 'rule_without_match', message }));

const askedOf = ({ codec: { name: codec, bits }, rules }: UniformQuantization): Asked => {
  const takesAnyRow = codec === 'affine';
  const [option, value] = takesAnyRow ? ['layerBits', bits] : ['a rule', 'Q8_0'];
  return { rules, takesAnyRow, wayFor: (name) => `${option}, such as ${quoted(`${patternOf(name)}=${value}`)}` };
};

const describe = (
  { name, shape, elements }: Tensor,
  dtype: string,
): { readonly name: string; readonly shape: readonly number[]; readonly elements: number; readonly dtype: string } => ({
  name,
  shape,
  elements,
  dtype,
});

function stepFor(stored: Tensor, own: Ruling | undefined, quantization: UniformQuantization): PlannedStep {
  const given = own === undefined ? null : codecOf(own);
  if (own !== undefined && given !== null) return typedStep(stored, given, own.name, quantization);
  // What is quantized counts as what it was before.
  const dtype = stored.codec === null || isFloat(stored.codec) ? storageLabel(stored) : stored.dtype;
  const rule = own ?? keepingRule(quantization.preset, describe(stored, dtype));
  if (rule !== null) return keptStep(stored, rule.name, quantization);
  if (stored.codec === null) return keptStep(stored, undecodedBecause(stored.type.name), quantization);
  const why = whyNoRows(stored, quantization.codec);
  return why === null ? codedStep(stored, quantization.codec, null) : keptStep(stored, why, quantization);
}

const codedStep = (stored: Tensor, codec: Codec, rule: string | null): PlannedStep => {
  const isSame = stored.codec !== null && sameCodec(stored.codec, codec) && stored.scale === undefined;
  return sameStep(stored, codecTarget(codec), rule, isSame);
};

/** Its bytes; where the output cannot hold them, floats of the type that it had before it was quantized. */
function keptStep(stored: Tensor, rule: string, form: OutputForm): PlannedStep {
  const copied = copiedTarget(stored, form);
  return copied === null
    ? sameStep(stored, codecTarget(codecNamed(heldFloat(stored.dtype, form))), rule, false)
    : sameStep(stored, copied, rule, true);
}

/** The float type that holds the values of another in an output; F32 where that has no such type. */
function heldFloat(dtype: string, form: OutputForm): TensorType {
  const type = floatFor(dtype);
  return whyNotHeld(codecNamed(type), form) === null ? type : 'F32';
}

/** Its factor stays a tensor of its own here: nobody would multiply with it any more. */
const withoutFactor = ({ name }: Tensor, { name: rule }: Ruling): QuantizeError =>
  new QuantizeError('invalid_option', {
    layer: name,
    detail: `${rule} cannot apply to tensor ${quoted(name)}: it is fp8 with a factor in another tensor; make the whole model F16 first`,
  });

/** What a rule of the caller's asks for. */
function typedStep(stored: Tensor, codec: Codec, rule: string, form: OutputForm): PlannedStep {
  const held = whyNotHeld(codec, form);
  const why = held ?? (stored.codec === null ? `its elements are ${stored.type.name}` : whyNoRows(stored, codec));
  if (why === null) return { ...codedStep(stored, codec, rule), isAsked: true };
  const detail = `${rule} cannot apply to tensor ${quoted(stored.name)}: ${why}`;
  throw new QuantizeError('invalid_option', { layer: stored.name, detail });
}

/** Why the tensor's rows cannot be encoded so; null when they can. */
function whyNoRows({ shape, originalShape = shape, elements, codec: source }: Tensor, codec: Codec): string | null {
  const { blockWeights } = traitsOf(codec);
  const row = rowWeights(originalShape);
  if (row % blockWeights !== 0) return `a row of ${row} weights is no whole number of blocks of ${blockWeights}`;
  const unit = source === null || !needsRows(codec, {}) ? 1 : stretchUnit(source, row);
  if (unit <= WINDOW_WEIGHTS || elements <= WINDOW_WEIGHTS) return null;
  if (row > WINDOW_WEIGHTS) return `a row of ${row} weights is longer than ${WINDOW_WEIGHTS}`;
  return `rows of ${row} weights and units of the source begin together only after ${unit}`;
}

/** What quantized tensors are to be restored to. */
export interface Restoring {
  /** Null: what they were before. */
  readonly dtype: TensorType | null;
  readonly container: Container;
}

/**
 * Floats: quantized tensors become `dtype`, or the type that they had before; the others stay, as far as the container can
 * hold them. Rejects with `unsupported_dtype` for what cannot be held.
 */
export async function planRestored(model: Model, { dtype, container }: Restoring): Promise<ConversionPlan> {
  const { tensors, taken, staleTexts } = await withFactors(model);
  const form = { container, layout: layoutNamed('plain') };
  const foreign = tensors.filter((tensor) => tensor.codec === null && copiedTarget(tensor, form) === null);
  const refusal = notHeld(foreign, form, 'it can be copied into a file of its own format, but not decoded');
  if (refusal !== null) throw refusal;
  const steps = tensors.map((tensor): PlannedStep => {
    const copied = copiedTarget(tensor, form);
    if (copied !== null)
      return sameStep(tensor, copied, tensor.codec === null ? 'cannot be decoded' : 'not quantized', true);
    const type = dtype ?? heldFloat(tensor.dtype, form);
    return sameStep(tensor, codecTarget(codecNamed(type)), null, false);
  });
  const dropped = taken.map(({ tensor, why }) => droppedTensor(tensor, why));
  const warnings = warningsAbout(steps, tensors, []);
  return { ...plainPlan(form, steps, dtype ?? 'as before'), staleTexts, warnings, dropped };
}

const plainPlan = (form: OutputForm, steps: readonly PlannedStep[], type: string): ConversionPlan => ({
  container: form.container,
  layout: form.layout,
  steps,
  facts: [],
  limits: undefined,
  splitBytes: undefined,
  staleTexts: [],
  architecture: null,
  ...{ opensIn: [], notIn: [] },
  type,
  notes: [],
  warnings: [],
  dropped: [],
});
