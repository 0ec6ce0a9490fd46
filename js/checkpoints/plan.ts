import type { Effort } from '../codecs/codec.js';
import { findKeyValue, textOf, type GgufKeyValue } from '../containers/gguf/key-values.js';
import { QuantizeError, quoted } from '../errors.js';
import { plainValue } from '../containers/gguf/gguf.js';
import type { CarriedKeyValues } from '../containers/gguf/contents.js';
import { sourceOf, type CodedTensor, type Tensor } from '../layouts/tensor.js';
import type { Model } from '../models/model.js';
import type { PipelineTools } from '../pipeline/pipeline.js';
import type { FileType } from '../types.js';
import { checkAsked, type AskedOfGguf } from '../plan/asked.js';
import { EFFORT_KEY } from '../plan/effort-fact.js';
import { planFileType, type FileTypeQuantization } from '../plan/file-type.js';
import { MATRIX_KEYS } from '../plan/importance-matrix.js';
import { layerFacts } from '../plan/key-values.js';
import { effortOf, type ConversionPlan } from '../plan/plan.js';
import { droppedTensor } from '../plan/report.js';
import { blockOf } from '../rules/language/tensors.js';
import { fulfils } from '../rules/rule.js';
import type { CheckpointOptions, Intermediate, LeftOut } from './checkpoint.js';
import { needsDropped } from './left-out.js';
import { openCheckpoint, type OpenedCheckpoint } from './open.js';
import { CONVERTER_TYPES, converterRulebook, f32Because } from './types.js';
import { cast } from './weights/operations.js';
import type { Weight } from './weights/weight.js';

/** How a checkpoint is to be quantized. */
export interface CheckpointQuantization extends FileTypeQuantization {
  readonly checkpoint: CheckpointOptions;
  /** Whether what a type cannot hold becomes infinite, as the converter has it; nobody has asked for anything else. */
  readonly overflows: boolean;
}

/**
 * A GGUF of a model in the layout of transformers. Types that llama.cpp's converter writes itself are planned as it does, tensor
 * by tensor in its order; of others the plan is that of its GGUF of the intermediate type, which is never written. Rejects as
 * `openCheckpoint` and `planFileType` do.
 */
export async function planCheckpoint(
  model: Model,
  quantization: CheckpointQuantization,
  tools: PipelineTools,
): Promise<ConversionPlan> {
  const { type, checkpoint: options, rules, asked } = quantization;
  checkAsked(model, type, asked);
  const direct = CONVERTER_TYPES.find((one) => one === type && (options.via === null || options.via === type)) ?? null;
  const dropping = ({ name }: Tensor) => rules.find(({ when }) => fulfils(describedBy(name), when));
  const matched = model.tensors
    .map((tensor) => ({ tensor, rule: dropping(tensor) }))
    .flatMap(({ tensor, rule }) => (rule?.type === 'drop' ? [{ tensor, rule }] : []));
  const leftOut = matched.map(({ tensor, rule }): LeftOut => ({ tensor, rule: rule.name }));
  const opened = await openCheckpoint(model, options, direct, leftOut, tools);
  // Those that have done their work already match nothing that is left, which nobody needs to be told.
  const done = new Set(matched.map(({ rule }) => rule));
  const others = rules.filter(
    (rule) => !done.has(rule) || opened.tensors.some(({ name }) => fulfils(describedBy(name), rule.when)),
  );
  const planned = { ...quantization, rules: others };
  const plan =
    direct === null
      ? await planThrough(model, opened, planned, tools)
      : await planDirect(model, opened, { ...planned, type: direct }, tools);
  refuseNeeded(plan, opened, asked.prunedLayers);
  const dropped = leftOut.map(({ tensor, rule }) => droppedTensor(tensor, rule));
  return {
    ...plan,
    notes: [...plan.notes, pairsNote(opened.keyValues)],
    warnings: [...opened.warnings, ...plan.warnings],
    dropped: [...plan.dropped, ...dropped],
  };
}

/**
 * Rules see the names in the GGUF as well: what llama.cpp does not open a file without is not to be dropped by those either. Layers
 * that are left out as a whole it does not miss.
 */
function refuseNeeded(
  { dropped }: ConversionPlan,
  { tensors }: OpenedCheckpoint,
  pruned: AskedOfGguf['prunedLayers'],
): void {
  const weights: readonly (Tensor & Pick<Weight, 'isOptional'>)[] = tensors;
  const optional = new Set(weights.filter(({ isOptional }) => isOptional === true).map(({ name }) => name));
  const needed = dropped.find(({ name }) => !optional.has(name) && !pruned.includes(blockOf(name)));
  if (needed !== undefined) throw needsDropped(needed);
}

function pairsNote(keyValues: readonly GgufKeyValue[]): string {
  const name = textOf(keyValues, 'general.name');
  const tokens = findKeyValue(keyValues, 'tokenizer.ggml.tokens')?.array?.length ?? 0;
  const called = name === undefined ? '' : `, which call it ${quoted(name)}`;
  return `The file has ${keyValues.length} key-value pairs${called}, and a vocabulary of ${tokens} tokens.`;
}

const describedBy = (name: string) => ({ name, shape: [], dtype: 'F32', elements: 0 });

async function planDirect(
  model: Model,
  opened: OpenedCheckpoint,
  quantization: CheckpointQuantization & { readonly type: FileType },
  tools: PipelineTools,
): Promise<ConversionPlan> {
  const { architecture, tensors, keyValues } = opened;
  const { type, overflows, asked } = quantization;
  const rulebook = converterRulebook(architecture, type);
  // Kept, too: llama.cpp computes with norms and biases as F32 alone.
  const origins = new Map(
    tensors.map((tensor) => {
      const isCast = tensor.codec !== null && f32Because(tensor) !== null;
      return [isCast ? cast(tensor, 'F32') : tensor, tensor] as const;
    }),
  );
  const gguf = asGguf(model, [...origins.keys()], keyValues);
  const plan = await planFileType(gguf, quantization, tools, { rulebook, origins });
  const steps = plan.steps.map((step) => ({ ...step, overflows }));
  // The file is the converter's wherever the weights are.
  const isWeighed = steps.some(({ importance }) => importance !== undefined);
  const said = isWeighed ? [EFFORT_KEY, ...MATRIX_KEYS] : [EFFORT_KEY];
  const facts = [
    ...plan.facts.filter(({ key }) => said.includes(key)),
    ...layerFacts(architecture.name, asked.prunedLayers, steps),
  ];
  return { ...plan, steps, facts };
}

async function planThrough(
  model: Model,
  { tensors, keyValues, intermediate }: OpenedCheckpoint,
  quantization: CheckpointQuantization,
  tools: PipelineTools,
): Promise<ConversionPlan> {
  const origins = new Map(
    tensors.map(decodedOnly).map((weight) => {
      const type = f32Because(weight) === null ? intermediate : 'F32';
      return [cast(weight, type), weight] as const;
    }),
  );
  const gguf = asGguf(model, [...origins.keys()], keyValues);
  const plan = await planFileType(gguf, quantization, tools, { origins });
  return { ...plan, notes: [...plan.notes, throughNote(intermediate, quantization, effortOf(plan.steps))] };
}

/** Throws `unsupported_dtype` for what llama.cpp's quantizer does not quantize again. */
function decodedOnly(tensor: Tensor): CodedTensor {
  if (tensor.codec !== null) return tensor;
  throw new QuantizeError('unsupported_dtype', {
    file: sourceOf(tensor).name,
    layer: tensor.name,
    detail: `weights that are ${tensor.type.name} already`,
    advice: `llama.cpp's quantizer does not quantize them again, so make a file of the type ${CONVERTER_TYPES.join(', ')} without "via", in which they stay as they are`,
  });
}

const throughNote = (
  intermediate: Intermediate,
  { checkpoint: { via } }: CheckpointQuantization,
  effort: Effort,
): string =>
  `The file is what llama.cpp's quantizer makes of the model's ${intermediate} GGUF${
    via === null ? ', the type of its own weights; via names another' : ''
  }${effort === 'reference' ? '' : `, but for the search for less error, which is ${effort}`}.`;

/** What the GGUF would be that llama.cpp's converter writes. */
function asGguf(model: Model, tensors: readonly Tensor[], keyValues: readonly GgufKeyValue[]): Model {
  const carried: CarriedKeyValues = { container: 'gguf', keyValues };
  return {
    ...model,
    ...{ hasFinalNames: true, tensors, carried, texts: new Map(), portableTexts: new Map() },
    fact: (key) => plainValue(findKeyValue(keyValues, key)?.value),
  };
}
