import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { QuantizeError } from '../../errors.js';
import { readRanges } from '../../io/read-ranges.js';
import { sourceOf, storageLabel, type CodedTensor, type Tensor } from '../../layouts/tensor.js';
import { QUANTIZATION_TEXT, isFp8, type ScaledModel, type Unscaled, type UnscaledOptions } from '../factors.js';
import { ACTIVATION_SUFFIXES, isForActivations, present, undecodable } from './layer.js';
import type { Decoding, Format, Layer } from './layer.js';
import { readModelConfig } from '../model-config.js';
import { ROTATION_KEYS, paramsOf } from './int8.js';
import { isConfig, layersOf } from './layers.js';
import { FORMATS } from './table.js';

/** A tensor that some writers of scaled fp8 leave in the model. */
const MARK = /(?:^|\.)scaled_fp8$/u;

const FOR_ACTIVATIONS = 'a factor for activations: of no use to weights';
const ABOUT_NOTHING = 'says how to decode a tensor that is not there, or not quantized';

/** What stands for a layer from now on. */
interface Opened {
  readonly layer: Layer;
  readonly decoding: Decoding;
}

/** As `withFactors` of ../factors.ts; given a name, for the tensor of that name alone. */
export async function unscaled(model: ScaledModel, options: UnscaledOptions, only?: string): Promise<Unscaled> {
  const layers = await withModelConfig(await layersOf(model, only), model);
  const kept = new Set<Layer>();
  const refused = new Map<Tensor, QuantizeError>();
  const opened = layers.flatMap((layer): Opened[] => {
    const decoding = openLayer(layer, options);
    if (decoding === 'keep') kept.add(layer);
    else if (decoding instanceof QuantizeError) refused.set(layer.weight, decoding);
    else if (decoding !== null) return [{ layer, decoding }];
    return [];
  });
  const decoded = await decodeAll(opened);
  const taken = takenBy(model, layers, { opened, kept, decoded }, options);
  const tensors = model.tensors.flatMap((tensor) => {
    const refusal = refused.get(tensor);
    if (refusal !== undefined) return [{ ...tensor, refusal }];
    const found = decoded.get(tensor);
    return found === undefined && taken.has(tensor) ? [] : [found ?? tensor];
  });
  return {
    tensors,
    taken: [...taken].map(([tensor, why]) => ({ tensor, why })),
    staleTexts: opened.length + refused.size > 0 ? [QUANTIZATION_TEXT] : [],
  };
}

/** As `withOwnFactors` of ../factors.ts. */
export async function unscaledAlone(name: string, model: ScaledModel): Promise<Tensor | undefined> {
  const { tensors } = await unscaled(model, {}, name);
  return [...tensors, ...model.tensors].find((tensor) => tensor.name === name);
}

/** The layers, with the model's config.json where a format asks for it. */
async function withModelConfig(layers: readonly Layer[], { companions }: ScaledModel): Promise<readonly Layer[]> {
  if (!layers.some((layer) => formatOf(layer)?.asksConfig?.(layer) === true)) return layers;
  const modelConfig = await readModelConfig(companions);
  return layers.map((layer) => ({ ...layer, modelConfig }));
}

const formatOf = (layer: Layer): Format | undefined => FORMATS.find(({ fits }) => fits(layer));

/** How a layer is decoded, or why it cannot be; null for one that is not quantized. */
function openLayer(layer: Layer, { keepFp8, foreign }: UnscaledOptions): Decoding | QuantizeError | 'keep' | null {
  const format = formatOf(layer);
  if (format === undefined) return null;
  if (keepFp8 === true && format.canStay === true && isFp8(layer.weight)) return 'keep';
  try {
    const decoding = format.open(layer);
    checkUnderstood(layer, format, decoding);
    return decoding;
  } catch (error) {
    if (foreign === undefined || !(error instanceof QuantizeError) || error.code !== 'unsupported_dtype') throw error;
    return foreign === 'keep' ? 'keep' : error;
  }
}

/** What ComfyUI's JSON calls things that weights are computed with. */
const KEY = /rot|hadamard|smooth|codebook|permut|zero/u;

/** Throws `unsupported_dtype` where there is more to the weights than the format knows. */
function checkUnderstood(layer: Layer, { rotates }: Format, { parts }: Decoding): void {
  const { config = {}, weight, scales } = layer;
  const key = [config, paramsOf(config)]
    .flatMap((one) => Object.keys(one).filter((name) => Boolean(one[name])))
    .find((name) => KEY.test(name) && !(rotates === true && ROTATION_KEYS.includes(name)));
  const known = new Set(parts.map(({ name }) => name));
  checkRows(layer);
  const unknown = key ?? scales.find((name) => !known.has(name) && !isForActivations(name));
  if (unknown === undefined) return;
  const { format } = config;
  throw undecodable(layer, `${typeof format === 'string' ? format : weight.dtype} with ${quoted(unknown)}`);
}

/** Some writers fill weights up to whole tiles: then there are more rows than the layer has outputs. */
function checkRows(layer: Layer): void {
  const [rows, columns, ...others] = layer.weight.shape;
  const bias = layer.beside('.bias');
  // Weights of bitsandbytes are one column.
  if (bias?.shape.length !== 1 || columns === undefined || columns === 1 || others.length > 0) return;
  if (rows === undefined || rows <= bias.elements) return;
  throw undecodable(layer, `${layer.weight.dtype} with ${rows} rows for a bias of ${bias.elements}`);
}

/** By the tensors that the weights are stored in. All short bytes are read together: a server answers once for many. */
async function decodeAll(opened: readonly Opened[]): Promise<ReadonlyMap<Tensor, CodedTensor>> {
  const read = await readRanges(opened.flatMap(({ decoding }) => decoding.reads));
  let at = 0;
  return new Map(
    opened.map(({ layer, decoding }) => {
      const bytes = read.slice(at, (at += decoding.reads.length));
      const { weight, byName } = layer;
      const tensor = decoding.decode(bytes);
      if (tensor.name === weight.name || !byName.has(tensor.name)) return [weight, tensor];
      throw invalidFile(sourceOf(weight), `tensor ${quoted(tensor.name)} is there twice, once quantized`, {
        layer: tensor.name,
      });
    }),
  );
}

/** The tensors that are none of their own any more, and why. */
function takenBy(
  { tensors }: ScaledModel,
  layers: readonly Layer[],
  {
    opened,
    kept,
    decoded,
  }: {
    readonly opened: readonly Opened[];
    readonly kept: ReadonlySet<Layer>;
    readonly decoded: ReadonlyMap<Tensor, CodedTensor>;
  },
  { keepFp8 = false }: UnscaledOptions,
): ReadonlyMap<Tensor, string> {
  const taken = new Map<Tensor, string>();
  for (const { layer, decoding } of opened) {
    const tensor = decoded.get(layer.weight);
    const format = tensor?.format === undefined ? 'scaled fp8' : storageLabel(tensor);
    for (const part of [...decoding.parts, ...present([layer.beside('.comfy_quant')])]) {
      taken.set(part, `${format}: taken into the weights`);
    }
  }
  const isOpened = new Set(opened.map(({ layer }) => layer));
  for (const layer of layers) {
    if (kept.has(layer) || (!isOpened.has(layer) && (keepFp8 || !isFp8(layer.weight)))) continue;
    for (const factor of present(ACTIVATION_SUFFIXES.map(layer.beside))) taken.set(factor, FOR_ACTIVATIONS);
  }
  if (kept.size > 0 || keepFp8) return taken;
  for (const tensor of tensors) {
    if (MARK.test(tensor.name)) taken.set(tensor, 'scaled fp8: taken into the weights');
    else if (isConfig(tensor) && !taken.has(tensor)) taken.set(tensor, ABOUT_NOTHING);
  }
  return taken;
}
