import { choice, invalidOption, nameIn } from '../../checks.js';
import { codecNamed, isFloat, type Codec } from '../../codecs/codec.js';
import { QuantizeError, quoted } from '../../errors.js';
import { sourceOf, type Tensor } from '../../layouts/tensor.js';
import { checkReadable, withFactors } from '../../models/factors.js';
import type { Model } from '../../models/model.js';
import { checkLeftovers, codecTarget, notHeld, type ConversionPlan, type OutputForm } from '../../plan/plan.js';
import { droppedTensor, type DroppedTensor, type PlannedStep } from '../../plan/report.js';
import { warningsAbout } from '../../plan/warnings.js';
import { idleRules, type TypedRule } from '../../rules/rule.js';
import { companionsOf } from '../folder/companions.js';
import { checkComplete } from '../folder/complete.js';
import { modelTypeOf, readConfig, textFile } from '../folder/config.js';
import { wholeNumber, type JsonObject } from '../folder/json.js';
import { described, namedStep, ruleFor } from '../folder/steps.js';
import type { Format, FormatPlanner, FormatQuantization } from '../format.js';
import { CHAT_CONFIG, chatConfigText } from './chat-config.js';
import { GROUP_SIZE, Q4F16, Q4F32, mlcLayout } from './layout.js';
import { MLC_MODELS, type MlcModel } from './models.js';
import { tensorCache } from './tensor-cache.js';
import { mlcWeights, nameFor, type MlcWeight } from './weights.js';

const TITLE = 'a model for MLC-LLM';

/** What floats are while models run, the codec of what is quantized, and what files have in the place of floats. */
const TYPES = {
  q4f16_1: { name: 'q4f16_1', dtype: 'float16', codec: Q4F16, stored: 'F16' },
  q4f32_1: { name: 'q4f32_1', dtype: 'float32', codec: Q4F32, stored: 'BF16' },
} as const;

type MlcType = (typeof TYPES)[keyof typeof TYPES];

/** Folders that WebLLM and MLC-LLM open, as `mlc_llm convert_weight` and `gen_config` write them. */
export const format: Format = {
  name: 'mlc',
  title: TITLE,
  options: ['type', 'architecture'],
  plannerFor: (quantization): FormatPlanner => {
    const { given } = quantization;
    const type = choice('type', nameIn(Object.keys(TYPES), given.type) ?? given.type, TYPES) ?? TYPES.q4f16_1;
    if (given.resume === true || given.splitSize !== undefined) {
      const name = given.resume === true ? 'resume' : 'splitSize';
      const why = 'its list has sums of files that are written in one go, each of the size that MLC-LLM gives it';
      throw new QuantizeError('invalid_option', { detail: `${name} has no meaning with ${TITLE}: ${why}` });
    }
    if (given.architecture !== undefined && typeof given.architecture !== 'string') {
      throw invalidOption('architecture', given.architecture, 'a model_type of transformers');
    }
    return (model) => plan(model, quantization, type);
  },
};

async function plan(model: Model, { given, rules: own }: FormatQuantization, type: MlcType): Promise<ConversionPlan> {
  if (model.hasFinalNames) throw foreignNames(model);
  const config = await readConfig(model, TITLE);
  const { architecture: asked } = given;
  const architecture = typeof asked === 'string' ? asked : modelTypeOf(config, model);
  const rules = rulesFor(architecture, model);
  const { tensors, taken } = await withFactors(model, { foreign: 'mark' });
  const { weights, dropped } = mlcWeights(tensors, rules, isTied(rules, config));
  checkComplete(
    weights.map(({ name }) => name),
    {
      ...{ program: 'MLC-LLM', embedding: nameFor('model.embed_tokens.weight', rules), isUniform: true },
      output: isTied(rules, config) ? null : nameFor('lm_head.weight', rules),
      layers: wholeNumber(config.get('num_hidden_layers')),
    },
    model.name,
  );
  const parameters = tensors.reduce((sum, { elements }) => sum + elements, 0);
  const container = tensorCache({ dtype: type.dtype, parameters });
  const form = { container, layout: mlcLayout(rules.plusOne, type.stored) };
  const planned = stepsFor(weights, own, { rules, type, form });
  checkLeftovers(tensors, planned.steps);
  const subject = { model, config, architecture, quantization: type.name, usualChat: rules.chat };
  const companions = [...(await companionsOf(model)), textFile(CHAT_CONFIG, await chatConfigText(subject))];
  return {
    ...{ ...form, steps: planned.steps, facts: [], limits: undefined, staleTexts: [], notes: [] },
    ...{ architecture, type: type.name, opensIn: ['WebLLM', 'MLC-LLM'], notIn: [], splitBytes: undefined },
    warnings: warningsAbout(planned.steps, tensors, idleRules(own, weights.map(described))),
    dropped: [...dropped, ...planned.dropped, ...taken.map(({ tensor, why }) => droppedTensor(tensor, why))],
    folder: { file: 'tensor-cache.json', companions },
  };
}

const foreignNames = ({ name, container }: Model): QuantizeError =>
  new QuantizeError('unsupported_model', {
    file: name,
    detail: `${TITLE} is made of the names that transformers has, and ${container} files have others; give the model that it was made from`,
  });

function rulesFor(architecture: string, model: Model): MlcModel {
  const rules = MLC_MODELS.find(({ types }) => types.includes(architecture));
  if (rules !== undefined) return rules;
  const known = MLC_MODELS.flatMap(({ types }) => types).join(', ');
  const detail = `how MLC-LLM lays out models of the type ${quoted(architecture)} is not known here; known are ${known}`;
  throw new QuantizeError('unsupported_model', { file: model.name, detail });
}

const isTied = ({ isTied: tied }: MlcModel, config: JsonObject): boolean =>
  tied === 'always' || (tied === 'said' && config.get('tie_word_embeddings') === true);

interface Deciding {
  readonly rules: MlcModel;
  readonly type: MlcType;
  readonly form: OutputForm;
}

/** Matrices are quantized, all of them; everything else is floats. */
function stepsFor(
  weights: readonly MlcWeight[],
  own: readonly TypedRule[],
  deciding: Deciding,
): { readonly steps: readonly PlannedStep[]; readonly dropped: readonly DroppedTensor[] } {
  const dropped: DroppedTensor[] = [];
  const steps = weights.flatMap((weight): PlannedStep[] => {
    const rule = ruleFor(weight, own);
    if (rule?.type === 'drop') {
      dropped.push(droppedTensor(weight.stored, rule.name));
      return [];
    }
    checkReadable([weight.stored]);
    if (rule !== undefined && rule.type !== 'quantize') throw cannotApply(weight, rule);
    const step = stepFor(weight, deciding);
    const isQuantized = step.planned.target.kind === 'codec' && !isFloat(step.planned.target.codec);
    if (rule !== undefined && !isQuantized) throw noMatrix(weight, rule);
    return [step];
  });
  return { steps, dropped };
}

/** The program that runs the model was compiled for it: what is quantized in it is quantized. */
const cannotApply = ({ name }: MlcWeight, rule: TypedRule): QuantizeError =>
  new QuantizeError('invalid_option', {
    layer: name,
    detail: `${rule.name} cannot apply to tensor ${quoted(name)}: the compiled programs of MLC-LLM have one type for all that they quantize; leave the rule out`,
  });

const noMatrix = ({ name }: MlcWeight, rule: TypedRule): QuantizeError =>
  new QuantizeError('invalid_option', {
    layer: name,
    detail: `${rule.name} cannot apply to tensor ${quoted(name)}: it is no matrix, and MLC-LLM quantizes nothing else`,
  });

function stepFor(weight: MlcWeight, { rules, type, form }: Deciding): PlannedStep {
  const { name, stored } = weight;
  if (stored.codec === null) throw notHeld([stored], form) ?? new RangeError('a tensor is held that cannot be');
  const isMatrix = name.endsWith('.weight') && stored.shape.length === 2;
  if (!isMatrix) return floatStep(weight, rules, type);
  const columns = stored.shape.at(-1) ?? 0;
  if (columns % GROUP_SIZE !== 0) {
    const detail = `${quoted(name)} has rows of ${columns} weights, which are no whole groups of ${GROUP_SIZE}`;
    throw new QuantizeError('unsupported_model', { file: sourceOf(stored).name, layer: name, detail });
  }
  const codec: Codec = { name: type.codec, bits: 0, groupSize: GROUP_SIZE, symmetric: false };
  const step = namedStep(weight, codecTarget(codec), null, false);
  const writtenBytes = stored.elements / 2 + (stored.elements / GROUP_SIZE) * 2;
  return { ...step, writtenBytes };
}

function floatStep(weight: MlcWeight, { plusOne }: MlcModel, { stored }: MlcType): PlannedStep {
  const tensor: Tensor = weight.stored;
  const isRaised = plusOne?.test(weight.name) === true;
  const target = codecNamed(isRaised ? 'F32' : stored);
  const isSame =
    !isRaised &&
    tensor.codec !== null &&
    isFloat(tensor.codec) &&
    tensor.codec.name === stored &&
    tensor.scale === undefined;
  const step = namedStep(weight, codecTarget(target), isRaised ? 'norm that one is added to' : 'no matrix', isSame);
  return isRaised ? { ...step, writtenBytes: tensor.elements * 2 } : step;
}
