import { QuantizeError, quoted } from '../../errors.js';
import { withFactors } from '../../models/factors.js';
import type { Model } from '../../models/model.js';
import type { PipelineTools } from '../../pipeline/pipeline.js';
import { withImportance } from '../../plan/importance.js';
import { checkLeftovers, type ConversionPlan } from '../../plan/plan.js';
import { droppedTensor } from '../../plan/report.js';
import { companionsOf } from '../folder/companions.js';
import { CONFIG_NAME, modelTypeOf, readConfig, textFile, textUnder } from '../folder/config.js';
import { isObject, wholeNumber, type JsonObject } from '../folder/json.js';
import type { Format, FormatPlanner, FormatQuantization } from '../format.js';
import { shiftedNorms, turned, withOneMore } from './changes.js';
import { configText, indexStyle, parametersOf, withEndOfText } from './config.js';
import { ANY_MODEL, MLX_MODELS, type MlxModel } from './models.js';
import { readMlxOptions, type MlxOptions } from './options.js';
import { FORM, planWeights } from './steps.js';
import { aboutText, sanitized, type Weight } from './weights.js';

const TITLE = 'a model for MLX';

/** mlx-lm's own size of files. */
const SPLIT_BYTES = 5 * 2 ** 30;

/** Folders that mlx-lm opens, as its `convert` writes them. */
export const format: Format = {
  name: 'mlx',
  title: TITLE,
  options: ['type', 'bits', 'groupSize', 'mix', 'dtype', 'architecture', 'effort', 'importance'],
  plannerFor: (quantization): FormatPlanner => {
    const options = readMlxOptions(quantization);
    return (model, tools) => plan(model, quantization, options, tools);
  },
};

async function plan(
  model: Model,
  quantization: FormatQuantization,
  options: MlxOptions,
  tools: PipelineTools,
): Promise<ConversionPlan> {
  if (model.hasFinalNames) throw foreignNames(model);
  const config = await withEndOfText(await readConfig(model, TITLE), model);
  const { tensors, taken } = await withFactors(model, { foreign: 'mark' });
  const type = options.architecture ?? modelTypeOf(config, model);
  const rules = rulesFor(type, model);
  const { weights: named, dropped } = sanitized(tensors, rules, config, model);
  const weights = await changed(named, rules, tools);
  const dtype = options.dtype ?? dtypeIn(config);
  const layers = wholeNumber(aboutText(config, rules).get('num_hidden_layers')) ?? 0;
  const planned = planWeights(weights, { options, rules, own: quantization.rules, dtype, layers });
  const { warnings, modules } = planned;
  checkLeftovers(tensors, planned.steps);
  const steps = withImportance(planned.steps, { importance: quantization.importance, effort: options.effort }, model);
  const configFile = textFile(CONFIG_NAME, configText(config, options.precision, modules));
  return {
    ...{ ...FORM, steps, warnings, facts: [], limits: undefined, staleTexts: [], notes: [] },
    ...{ architecture: type, type: labelOf(options), opensIn: ['mlx-lm'], notIn: [] },
    dropped: [...dropped, ...planned.dropped, ...taken.map(({ tensor, why }) => droppedTensor(tensor, why))],
    splitBytes: quantization.splitBytes ?? SPLIT_BYTES,
    folder: { file: 'model.safetensors', companions: [...(await companionsOf(model)), configFile] },
    texts: new Map([['format', 'mlx']]),
    index: indexStyle(parametersOf(steps.map(({ planned }) => planned))),
  };
}

/** What is changed besides names: kernels that are turned, norms that are shifted. */
async function changed(weights: readonly Weight[], rules: MlxModel, tools: PipelineTools): Promise<readonly Weight[]> {
  const norms = new Set(shiftedNorms(weights, rules));
  const result: Weight[] = [];
  for (const weight of weights) result.push(norms.has(weight) ? await withOneMore(weight, tools) : turned(weight));
  return result;
}

/** GGUF files have names of their own, and none of the files that must lie beside the weights. */
const foreignNames = ({ name, container }: Model): QuantizeError =>
  new QuantizeError('unsupported_model', {
    file: name,
    detail: `MLX reads the names that transformers has, and ${container} files have others; give the model that it was made from`,
  });

function rulesFor(type: string, model: Model): MlxModel {
  const rules = type === 'none' ? ANY_MODEL : MLX_MODELS.find(({ types }) => types.includes(type));
  if (rules !== undefined) return rules;
  const detail = `how mlx-lm lays out models of the type ${quoted(type)} is not known here; the architecture none quantizes all matrices under the names that they have`;
  throw new QuantizeError('unsupported_model', { file: model.name, detail });
}

const DTYPES: Readonly<Record<string, string>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' };

/** What mlx-lm casts floats to; null where it leaves them as they are. */
function dtypeIn(config: JsonObject): string | null {
  const text = config.get('text_config');
  const dtype = textUnder(config, 'torch_dtype') ?? (isObject(text) ? textUnder(text, 'dtype') : undefined);
  return DTYPES[dtype ?? ''] ?? null;
}

const labelOf = ({ precision: { mode, bits, groupSize }, mixture }: MlxOptions): string =>
  `MLX ${mixture ?? (mode === 'affine' ? `int${bits} g${groupSize}` : mode)}`;
