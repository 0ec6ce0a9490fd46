import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { isRecord, parseJsonObject, parseJsonText } from '../../containers/json.js';
import { readRanges } from '../../io/read-ranges.js';
import { sourceOf, type Tensor } from '../../layouts/tensor.js';
import { QUANTIZATION_TEXT, isFp8, stemOf, type ScaledModel } from '../factors.js';
import { bytesOf, type Layer } from './layer.js';
import { INTEGERS } from './refused.js';

/** What the tensor of a layer's weights is called behind the layer's name; others are fp8 of any name. */
const WEIGHT = /\.(?:weight(?:_packed|(?:\._(?:data|packed))+)?|q_?weight|_?weight[_:]q?data|W_q)$/u;
/** The last part of names of factors and the like, in the formats that are not known too. */
const SCALE = /scale|absmax|smooth|codebook|correction|zeros?(?:_points?)?$|^SCB$/u;
const CONFIG = '.comfy_quant';
/** Far more than a text about one layer takes. */
const MOST_CONFIG_BYTES = 16_384;
const MOST_CONFIGS_BYTES = 2 ** 26;
/** A prefix has fewer parts: others only cost time. */
const MOST_PARTS = 8;

type Config = Readonly<Record<string, unknown>>;

/** The texts of ComfyUI about single layers, as tensors. */
export const isConfig = ({ name, dtype }: Tensor): boolean => name.endsWith(CONFIG) && dtype === 'U8';

/**
 * What may be the weights of quantized layers; given a name, only those that the tensor of that name is made of. Rejects with
 * `invalid_file` for texts about layers that are no JSON objects, or too long.
 */
export async function layersOf(model: ScaledModel, only?: string): Promise<readonly Layer[]> {
  const { tensors, texts } = model;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const named = tensors.filter((tensor) => WEIGHT.test(tensor.name) || isFp8(tensor));
  const stems = named.map(({ name }) => name.replace(WEIGHT, ''));
  const scales = scalesOf(tensors);
  const nameless = namelessOf(tensors, stems, scales);
  const said = tensors.filter(isConfig);
  const wanted = only === undefined ? undefined : stemOf(only);
  const own = wanted === undefined ? said : said.filter(({ name }) => name === wanted + CONFIG);
  // All stems, though one may be wanted: it takes them to know the prefix.
  const configs = new Map([...(await ownConfigs(own)), ...commonConfigs(model, stems)]);
  const isDescribed = said.length > 0 || texts.has(QUANTIZATION_TEXT);
  return [...named, ...nameless].flatMap((weight, index): Layer[] => {
    const stem = stems[index] ?? weight.name;
    if (wanted !== undefined && stem !== wanted && weight.name !== only) return [];
    const config = configs.get(stem);
    const beside = (suffix: string): Tensor | undefined => byName.get(stem + suffix);
    return [
      {
        ...{ weight, stem, config, isDescribed, byName, beside, modelConfig: null },
        scales: scales.get(index < stems.length ? stem : parentOf(stem)) ?? [],
      },
    ];
  });
}

const isScale = (name: string): boolean => SCALE.test(name.slice(name.lastIndexOf('.') + 1));

/** What a name has before its last part, without `.weight`. */
const parentOf = (name: string): string => stemOf(name.slice(0, Math.max(name.lastIndexOf('.'), 0)));

/** Whole numbers of any other name in a module that has scales, and no weights of a usual name that they could be for. */
function namelessOf(
  tensors: readonly Tensor[],
  stems: readonly string[],
  scales: ReadonlyMap<string, readonly string[]>,
): readonly Tensor[] {
  const known = new Set([...stems, '']);
  return tensors.filter((tensor) => {
    const { name, dtype } = tensor;
    const parent = parentOf(name);
    return INTEGERS.includes(dtype) && !isScale(name) && !isConfig(tensor) && !known.has(parent) && scales.has(parent);
  });
}

/** By layer, the tensors that are called scales. */
function scalesOf(tensors: readonly Tensor[]): ReadonlyMap<string, readonly string[]> {
  const scales = new Map<string, string[]>();
  for (const { name } of tensors) {
    if (!isScale(name)) continue;
    const stem = parentOf(name);
    const found = scales.get(stem);
    if (found === undefined) scales.set(stem, [name]);
    else found.push(name);
  }
  return scales;
}

/** By layer, what tensors beside the weights say. */
async function ownConfigs(texts: readonly Tensor[]): Promise<readonly (readonly [string, Config])[]> {
  const long = texts.find(({ elements }) => elements > MOST_CONFIG_BYTES) ?? tooMany(texts);
  if (long !== undefined) {
    throw invalidFile(sourceOf(long), `tensor ${quoted(long.name)} has too long a text`, { layer: long.name });
  }
  const read = await readRanges(texts.map(bytesOf));
  return texts.map((tensor, index) => {
    const { name } = tensor;
    const what = `the text of tensor ${quoted(name)}`;
    return [name.slice(0, -CONFIG.length), parseJsonObject(trimmed(read[index]), sourceOf(tensor), what, 0)];
  });
}

function tooMany(texts: readonly Tensor[]): Tensor | undefined {
  let bytes = 0;
  return texts.find(({ elements }) => (bytes += elements) > MOST_CONFIGS_BYTES);
}

/** Some writers fill such texts up with zeros. */
function trimmed(bytes: Uint8Array = new Uint8Array()): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) --end;
  return bytes.subarray(0, end);
}

/** By layer, what the metadata says. The names there may lack the prefix that the tensors' names have. */
function commonConfigs({ tensors, texts }: ScaledModel, stems: readonly string[]): (readonly [string, Config])[] {
  const text = texts.get(QUANTIZATION_TEXT);
  const [first] = tensors;
  if (text === undefined || first === undefined) return [];
  const what = `${quoted(QUANTIZATION_TEXT)} in the metadata`;
  const { layers = {} } = parseJsonText(text, sourceOf(first), what, 2);
  if (!isRecord(layers)) throw invalidFile(sourceOf(first), `${what} lists no layers`);
  const known = new Set(stems);
  const names = Object.keys(layers);
  const prefix = prefixOf(new Set(names), stems);
  return names.map((name) => {
    const config = layers[name];
    if (!isRecord(config)) throw invalidFile(sourceOf(first), `${what} says nothing of the layer ${quoted(name)}`);
    return [known.has(name) ? name : prefix + name, config];
  });
}

/** What stands before most of the names in the stems that are none of them; an empty text where none of them is there. */
function prefixOf(names: ReadonlySet<string>, stems: readonly string[]): string {
  const found = new Map<string, number>();
  let [best, most] = ['', 0];
  for (const stem of stems) {
    if (names.has(stem)) continue;
    for (let parts = 1, at = stem.indexOf('.') + 1; at > 0 && parts < MOST_PARTS; ++parts) {
      const prefix = stem.slice(0, at);
      const count = (found.get(prefix) ?? 0) + Number(names.has(stem.slice(at)));
      found.set(prefix, count);
      if (count > most) [best, most] = [prefix, count];
      at = stem.indexOf('.', at) + 1;
    }
  }
  return best;
}
