import { codecNamed, findTraits, isFloat, sameCodec, type Codec } from '../../codecs/codec.js';
import { containerNamed } from '../../containers/registry.js';
import { QuantizeError, quoted } from '../../errors.js';
import type { OutputLayout } from '../../layouts/layout.js';
import { sourceOf, storageLabel, type CodedTensor, type Tensor } from '../../layouts/tensor.js';
import { checkReadable, withFactors } from '../../models/factors.js';
import type { Model } from '../../models/model.js';
import {
  checkLeftovers,
  codecTarget,
  copiedTarget,
  floatFor,
  notHeld,
  sameStep,
  type OutputForm,
} from '../../plan/plan.js';
import { droppedTensor, type DroppedTensor, type FileWarning, type PlannedStep } from '../../plan/report.js';
import { warningsAbout } from '../../plan/warnings.js';
import { fulfils, idleRules, type TypedRule } from '../../rules/rule.js';
import { expertsOf, moduleOf, type ModuleKind, type ModuleKinds } from './kinds.js';

/** How a program stores the weights of linear modules. */
export interface ModuleQuantization {
  readonly layout: OutputLayout;
  /** What a tensor becomes that is quantized. */
  readonly codecOf: (tensor: CodedTensor) => Codec;
  /** Why the program cannot have a tensor like that, in a phrase; null when it can. */
  readonly obstacleTo: (tensor: CodedTensor) => string | null;
  /** Bytes that its entries take, where these are not the planes of the codec. */
  readonly bytesOf?: ((step: PlannedStep) => number) | undefined;
}

/** What becomes of the tensors of a model. */
export interface ModulePlan extends OutputForm {
  readonly steps: readonly PlannedStep[];
  readonly dropped: readonly DroppedTensor[];
  readonly warnings: readonly FileWarning[];
  readonly staleTexts: readonly string[];
  /** The linear modules that stay as they are, whose weights the model has. */
  readonly ignored: readonly string[];
  /** Those that are quantized. */
  readonly quantized: readonly string[];
}

/** Why reports say that the format leaves a tensor as it is. */
const KEPT: Readonly<Record<Exclude<ModuleKind, 'linear'>, string>> = {
  embedding: 'embedding',
  output: 'output layer',
  router: 'router of experts',
  expert: 'expert, of which a layer has one tensor in all',
  other: 'no linear module',
};

/**
 * Plans what becomes of each tensor: the weights of linear modules are quantized, everything else stays as it is, unless a rule
 * of the caller's says otherwise. Rejects with `invalid_option` for rules that cannot apply, or leave nothing, and with
 * `unsupported_model` for a matrix that the program cannot have.
 */
export async function planModules(
  model: Model,
  rules: readonly TypedRule[],
  kinds: ModuleKinds,
  quantization: ModuleQuantization,
): Promise<ModulePlan> {
  const form = { container: containerNamed('safetensors'), layout: quantization.layout };
  const { tensors, taken, staleTexts } = await withFactors(model, { foreign: 'mark' });
  const described = tensors.map((stored) => ({ stored, ...describe(stored) }));
  const ruled = described.map((one) => ({ ...one, own: rules.find(({ when }) => fulfils(one, when)) }));
  const remaining = ruled.filter(({ own }) => own?.type !== 'drop');
  checkReadable(remaining.map(({ stored }) => stored));
  const foreign = remaining.filter(({ stored }) => stored.codec === null && copiedTarget(stored, form) === null);
  const refusal = notHeld(
    foreign.map(({ stored }) => stored),
    form,
  );
  if (refusal !== null) throw refusal;
  const steps = remaining.map(({ stored, own }) => stepFor(stored, own, { kinds, quantization, form }));
  checkLeftovers(tensors, steps);
  const dropped = [
    ...ruled.flatMap(({ stored, own }) => (own?.type === 'drop' ? [droppedTensor(stored, own.name)] : [])),
    ...taken.map(({ tensor, why }) => droppedTensor(tensor, why)),
  ];
  const warnings = warningsAbout(steps, tensors, idleRules(rules, described));
  return { ...form, steps, dropped, warnings, staleTexts, ...sorted(steps, kinds) };
}

const describe = (
  tensor: Tensor,
): { readonly name: string; readonly shape: readonly number[]; readonly elements: number; readonly dtype: string } => {
  const { name, shape, elements } = tensor;
  return { name, shape, elements, dtype: storageLabel(tensor) };
};

/** Why no rule can have them quantized. */
const NO_LINEAR = {
  expert: 'the program has no quantized experts',
  other: 'it is no weight of a linear module',
} as const;

interface Means {
  readonly kinds: ModuleKinds;
  readonly quantization: ModuleQuantization;
  readonly form: OutputForm;
}

function stepFor(stored: Tensor, own: TypedRule | undefined, means: Means): PlannedStep {
  const { kinds, form } = means;
  const kind = kinds.kindOf({ name: stored.name, shape: stored.originalShape ?? stored.shape });
  if (own?.type === 'quantize') return quantizedStep(stored, own, kind, means);
  if (own !== undefined && own.type !== 'keep' && own.type !== 'drop') return typedStep(stored, own, form);
  // Other programs have nothing that says how many zero weights were quantized.
  if (own === undefined && stored.elements === 0) return keptStep(stored, 'no elements', form);
  if (own === undefined && kind === 'linear' && stored.codec !== null) return quantizedStep(stored, own, kind, means);
  return keptStep(stored, own?.name ?? (kind === 'linear' ? 'cannot be decoded' : KEPT[kind]), form);
}

function quantizedStep(
  stored: Tensor,
  own: TypedRule | undefined,
  kind: ModuleKind,
  { quantization }: Means,
): PlannedStep {
  const rule = own?.name ?? null;
  const isMatrix = (kind === 'linear' || kind === 'output' || kind === 'router') && stored.elements > 0;
  if (stored.codec === null || !isMatrix) {
    throw cannotApply(
      stored,
      own,
      isMatrix ? `its elements are ${stored.dtype}` : NO_LINEAR[kind === 'expert' ? 'expert' : 'other'],
    );
  }
  const obstacle = quantization.obstacleTo(stored);
  if (obstacle !== null) {
    const detail = `${quoted(stored.name)} ${obstacle}; leave it as it is with the rule '=${stored.name}=keep', or choose another type`;
    throw new QuantizeError('unsupported_model', { file: sourceOf(stored).name, layer: stored.name, detail });
  }
  const step = sameStep(stored, codecTarget(quantization.codecOf(stored)), rule, false);
  return quantization.bytesOf === undefined ? step : { ...step, writtenBytes: quantization.bytesOf(step) };
}

/** What a rule of the caller's asks for. */
function typedStep(stored: Tensor, own: TypedRule, form: OutputForm): PlannedStep {
  const codec = codecNamed(own.type);
  const isHeld = isFloat(codec) && findTraits(codec.name)?.encodes === true;
  if (!isHeld) throw cannotApply(stored, own, `${form.layout.name} has no ${own.type}`);
  if (stored.codec === null) throw cannotApply(stored, own, `its elements are ${stored.dtype}`);
  const isSame = sameCodec(stored.codec, codec) && stored.scale === undefined;
  return sameStep(stored, codecTarget(codec), own.name, isSame);
}

/** Its bytes; where there are none that others read, floats of the type that it had before it was quantized. */
function keptStep(stored: Tensor, rule: string, form: OutputForm): PlannedStep {
  const copied = copiedTarget(stored, form);
  return copied === null
    ? sameStep(stored, codecTarget(codecNamed(floatFor(stored.dtype))), rule, false)
    : sameStep(stored, copied, rule, true);
}

const cannotApply = (stored: Tensor, own: TypedRule | undefined, why: string): QuantizeError =>
  new QuantizeError('invalid_option', {
    layer: stored.name,
    detail: `${own?.name ?? 'the type'} cannot apply to tensor ${quoted(stored.name)}: ${why}`,
  });

/** The linear modules among the steps, layer by layer: those that stay as they are, and those that are quantized. */
function sorted(steps: readonly PlannedStep[], kinds: ModuleKinds): Pick<ModulePlan, 'ignored' | 'quantized'> {
  const [ignored, quantized] = [new Set<string>(), new Set<string>()];
  for (const { planned } of steps) {
    const { name, shape, target } = planned;
    const kind = kinds.kindOf({ name, shape });
    const module = kind === 'expert' ? expertsOf(name) : moduleOf(name);
    if (module === null || kind === 'embedding' || kind === 'other') continue;
    (target.kind === 'copied' || isFloat(target.codec) ? ignored : quantized).add(module);
  }
  const { compare } = new Intl.Collator('en', { numeric: true });
  return { ignored: [...ignored].sort(compare), quantized: [...quantized].sort(compare) };
}
