import { choice, flag, invalidOption, nameIn } from '../../checks.js';
import type { CodedTensor } from '../../layouts/tensor.js';
import type { Model } from '../../models/model.js';
import type { ConversionPlan } from '../../plan/plan.js';
import { QuantizeError } from '../../errors.js';
import type { Format, FormatPlanner, FormatQuantization } from '../format.js';
import { jsonOf, planFolder, readModuleModel } from '../modules/folder.js';
import { checkFused, withSharedExtents } from '../modules/fused.js';
import { planModules } from '../modules/plan.js';
import { compressedTensors, writtenBytes } from './layout.js';
import { GROUP_SIZES, SCHEMES, codecOf, configOf, type Scheme } from './schemes.js';

const TITLE = 'a model of compressed-tensors';
const USUAL = 'W4A16';

/** Folders that vLLM and transformers open, as compressed-tensors and llmcompressor write them. */
export const format: Format = {
  name: 'compressed-tensors',
  title: TITLE,
  options: ['type', 'groupSize', 'symmetric', 'architecture'],
  plannerFor: (quantization): FormatPlanner => {
    const scheme = readScheme(quantization);
    return (model) => plan(model, quantization, scheme);
  },
};

const NAMES = SCHEMES.map(({ name }) => name);

/** Throws `invalid_option` for what the library does not have. */
function readScheme({ given }: FormatQuantization): Scheme {
  const names = Object.fromEntries(NAMES.map((name) => [name, name]));
  const type = choice('type', nameIn(NAMES, given.type) ?? given.type, names) ?? USUAL;
  const scheme = SCHEMES.find(({ name }) => name === type);
  if (scheme === undefined) throw new RangeError(`there is no scheme ${type}`);
  const { groupSize, symmetric } = given;
  if (scheme.format !== 'pack-quantized') {
    const name = groupSize !== undefined ? 'groupSize' : symmetric !== undefined ? 'symmetric' : null;
    if (name === null) return scheme;
    throw new QuantizeError('invalid_option', { detail: `${name} has no meaning with the type ${type}; leave it out` });
  }
  const group = groupSize === undefined ? scheme.groupSize : GROUP_SIZES.find((size) => size === groupSize);
  if (group === undefined)
    throw invalidOption('groupSize', groupSize, `${GROUP_SIZES.join(', ')} for the type ${type}`);
  if (symmetric === undefined || flag('symmetric', symmetric) === scheme.symmetric)
    return { ...scheme, groupSize: group };
  const other = SCHEMES.find(
    (one) => one.symmetric === symmetric && one.bits === scheme.bits && one.format === scheme.format,
  );
  if (given.type === undefined && other !== undefined) return { ...other, groupSize: group };
  const way = other === undefined ? 'leave it out' : `ask for ${other.name}`;
  throw new QuantizeError('invalid_option', {
    detail: `symmetric is ${String(symmetric)}, but the type ${type} is not so; ${way}`,
  });
}

async function plan(model: Model, quantization: FormatQuantization, scheme: Scheme): Promise<ConversionPlan> {
  const about = await readModuleModel(model, quantization.given, TITLE);
  const planned = await planModules(model, quantization.rules, about.kinds, {
    layout: compressedTensors,
    codecOf: ({ dtype }) => codecOf(scheme, dtype),
    obstacleTo: (tensor) => obstacleTo(tensor, scheme),
    bytesOf: ({ planned: tensor }) => writtenBytes(tensor),
  });
  checkFused(planned.steps);
  const hasGlobalScale = scheme.format === 'nvfp4-pack-quantized';
  const steps = hasGlobalScale ? withSharedExtents(planned.steps) : planned.steps;
  const { output } = about.kinds;
  const isOutputLeft = output !== null && !planned.quantized.includes(output);
  const ignored = [...planned.ignored.filter((name) => name !== output), ...(isOutputLeft ? [output] : [])];
  return planFolder(model, about, { ...planned, steps }, quantization, {
    type: scheme.name,
    // VLLM's kernels have 4 and 8 bits.
    opensIn: scheme.bits === 3 ? ['transformers'] : ['vLLM', 'transformers'],
    quantization: jsonOf(configOf(scheme, ignored)),
  });
}

function obstacleTo({ shape }: CodedTensor, { groupSize }: Scheme): string | null {
  const columns = shape.at(-1) ?? 0;
  return columns % groupSize === 0 ? null : `has rows of ${columns} weights, which are no whole groups of ${groupSize}`;
}
