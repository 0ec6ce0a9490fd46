import { choice, flag, nameIn } from '../../checks.js';
import { codecNamed } from '../../codecs/codec.js';
import { QuantizeError, quoted } from '../../errors.js';
import type { Model } from '../../models/model.js';
import type { PipelineTools } from '../../pipeline/pipeline.js';
import type { ConversionPlan } from '../../plan/plan.js';
import type { PlannedStep } from '../../plan/report.js';
import { textUnder } from '../folder/config.js';
import type { JsonObject } from '../folder/json.js';
import type { Format, FormatPlanner, FormatQuantization } from '../format.js';
import { jsonOf, planFolder, readModuleModel, type ModuleModel } from '../modules/folder.js';
import { withWholeExperts } from '../modules/kinds.js';
import { planModules, type ModulePlan } from '../modules/plan.js';
import { valuesOfCodes } from './codes.js';
import { bitsandbytes, codecOf, type BitsandbytesModel } from './layout.js';
import { meansOfScales } from './means.js';

const TITLE = 'a model of bitsandbytes';

const TYPES = { nf4: 'nf4', fp4: 'fp4' } as const;

/** What bitsandbytes is asked for. */
interface Asked {
  readonly type: 'nf4' | 'fp4';
  readonly isDouble: boolean;
}

/** Folders that transformers opens with bitsandbytes, as it saves them. */
export const format: Format = {
  name: 'bitsandbytes',
  title: TITLE,
  options: ['type', 'doubleQuant', 'architecture'],
  plannerFor: (quantization): FormatPlanner => {
    const { given } = quantization;
    const type = choice('type', nameIn(Object.values(TYPES), given.type) ?? given.type, TYPES) ?? 'nf4';
    const asked = { type, isDouble: flag('doubleQuant', given.doubleQuant) };
    return (model, tools) => plan(model, quantization, asked, tools);
  },
};

async function plan(
  model: Model,
  quantization: FormatQuantization,
  asked: Asked,
  tools: PipelineTools,
): Promise<ConversionPlan> {
  const about = await readModuleModel(model, quantization.given, TITLE);
  checkOpens(about, model);
  const codec = codecOf(asked);
  const draft = bitsandbytes({ ...asked, map: new Float32Array(), nested: null });
  const planned = await planModules(model, quantization.rules, withWholeExperts(about.kinds), {
    ...{ layout: draft, codecOf: () => codec, obstacleTo: () => null },
  });
  const layout = bitsandbytes(await knownOf(model, planned.steps, asked, tools));
  const steps = planned.steps.map((step): PlannedStep => {
    const isQuantized = step.planned.target.kind === 'codec' && step.planned.target.codec.name === codec.name;
    if (!isQuantized) return step;
    return { ...step, writtenBytes: layout.entriesOf(step.planned).reduce((sum, { bytes }) => sum + bytes, 0) };
  });
  return planFolder(model, about, { ...planned, steps, layout }, quantization, {
    type: `bitsandbytes ${asked.type}${asked.isDouble ? ' double-quant' : ''}`,
    opensIn: ['transformers'],
    quantization: jsonOf(configOf(asked, about.config, skippedModules(planned, about.kinds.output))),
  });
}

/** Those whose linear modules have a class of their own, which transformers does not replace. */
const NOT_REPLACED: readonly string[] = ['falcon'];

function checkOpens({ architecture, config }: ModuleModel, model: Model): void {
  const type = NOT_REPLACED.find((name) => name === architecture || name === textUnder(config, 'model_type'));
  if (type === undefined) return;
  const detail = `transformers does not open models of the type ${quoted(type)} with bitsandbytes; choose another format`;
  throw new QuantizeError('unsupported_model', { file: model.name, detail });
}

/** What has to be known before anything is laid out. */
async function knownOf(
  { sources }: Model,
  steps: readonly PlannedStep[],
  { type, isDouble }: Asked,
  tools: PipelineTools,
): Promise<BitsandbytesModel> {
  const [anchor] = sources;
  if (anchor === undefined) throw new RangeError('a model has no files');
  const codec = codecOf({ type });
  const map = await valuesOfCodes(codec, 4, anchor, tools);
  if (!isDouble) return { type, map, nested: null };
  const means = await meansOfScales(steps, codec, tools);
  return { type, map, nested: { map: await valuesOfCodes(codecNamed('bnb_absmax8'), 8, anchor, tools), means } };
}

/** Null where it is what transformers finds by itself: all linear modules but the one that makes logits. */
function skippedModules({ ignored, quantized }: ModulePlan, output: string | null): readonly string[] | null {
  const isOutputLeft = output !== null && !quantized.includes(output);
  const others = ignored.filter((name) => name !== output);
  return isOutputLeft && others.length === 0 ? null : [...others, ...(isOutputLeft ? [output] : [])];
}

/** What config.json gets as `quantization_config`. */
const configOf = (
  { type, isDouble }: Asked,
  config: JsonObject,
  skipped: readonly string[] | null,
): Readonly<Record<string, unknown>> => ({
  _load_in_4bit: true,
  _load_in_8bit: false,
  // What activations are computed in: what the model is.
  bnb_4bit_compute_dtype: textUnder(config, 'dtype') ?? textUnder(config, 'torch_dtype') ?? 'float32',
  bnb_4bit_quant_storage: 'uint8',
  bnb_4bit_quant_type: type,
  bnb_4bit_use_double_quant: isDouble,
  llm_int8_enable_fp32_cpu_offload: false,
  llm_int8_has_fp16_weight: false,
  llm_int8_skip_modules: skipped,
  // Transformers refuses a whole number.
  llm_int8_threshold: { number: '6.0' },
  load_in_4bit: true,
  load_in_8bit: false,
  quant_method: 'bitsandbytes',
});
