import { part } from '../part.js';
import type { CodedTensor, Tensor } from '../layouts/tensor.js';
import type { Model } from './model.js';

/** Metadata in which ComfyUI says how layers are quantized. */
export const QUANTIZATION_TEXT = '_quantization_metadata';

/** What a model's tensors are once its factors are taken in. */
export interface Unscaled {
  readonly tensors: readonly Tensor[];
  /** What is none of them any more, with the reason that reports show. */
  readonly taken: readonly { readonly tensor: Tensor; readonly why: string }[];
  /** Keys of the texts that would be wrong beside those tensors. */
  readonly staleTexts: readonly string[];
}

/** How factors are taken in. */
export interface UnscaledOptions {
  /** Tensors of fp8 elements stay as they are, and so do their factors. */
  readonly keepFp8?: boolean;
  /**
   * Weights in formats that cannot be decoded stay as they are (`keep`), or have a `refusal`, for those who may leave them out
   * (`mark`). Without it they are refused.
   */
  readonly foreign?: 'keep' | 'mark';
}

/** The parts of a model that are needed for it. */
export type ScaledModel = Pick<Model, 'tensors' | 'texts' | 'companions' | 'carried'>;

/**
 * What is beside weights of quantized checkpoints, by the ends of the names: factors (of scaled fp8, int8, nvfp4, …), and
 * texts that say how to decode. Such a name alone means nothing.
 */
const COMPANION =
  /(?:scales?(?:_\w{1,8})?|weight_packed|weight_s_rel|scaled_fp8|comfy_quant|absmax|qweight|SCB|bitsandbytes__\w{1,8})$/u;

const isCompanion = ({ name }: Pick<Tensor, 'name'>): boolean => COMPANION.test(name);

/**
 * The model's tensors with the factors of quantized checkpoints taken in, and without the tensors that held them. Other
 * models come back as they are. Rejects with `invalid_file` where factors do not fit their weights, are missing or are not
 * finite, and with `unsupported_dtype` for formats that cannot be decoded: to leave factors out would give wrong weights.
 */
export async function withFactors(model: ScaledModel, options: UnscaledOptions = {}): Promise<Unscaled> {
  const { tensors, texts, carried } = model;
  if (carried?.container === 'onnx') {
    const { restoredOnnx, graphsIn } = await part(() => import('./onnx/restored.js'));
    return restoredOnnx(tensors, graphsIn(carried));
  }
  const isPlain = !texts.has(QUANTIZATION_TEXT) && !tensors.some(isCompanion);
  if (isPlain) return { tensors, taken: [], staleTexts: [] };
  const { unscaled } = await part(() => import('./scaled/unscaled.js'));
  return unscaled(model, options);
}

/** One of the model's tensors, with its factors taken in; rejects as `withFactors` does, for that tensor alone. */
export async function withOwnFactors(name: string, model: ScaledModel): Promise<Tensor | undefined> {
  const isOwn = (tensor: Tensor): boolean => tensor.name === name;
  if (model.carried?.container === 'onnx') return (await withFactors(model)).tensors.find(isOwn);
  if (!model.texts.has(QUANTIZATION_TEXT) && !model.tensors.some(isCompanion)) return model.tensors.find(isOwn);
  const { unscaledAlone } = await part(() => import('./scaled/unscaled.js'));
  return unscaledAlone(name, model);
}

/** Throws the `refusal` of the first tensor that has one. */
export function checkReadable(tensors: readonly Tensor[]): void {
  for (const { refusal } of tensors) if (refusal !== undefined) throw refusal;
}

/** Whether the elements of a tensor are fp8. */
export const isFp8 = (tensor: Tensor): tensor is CodedTensor =>
  tensor.codec?.name === 'F8_E4M3' || tensor.codec?.name === 'F8_E5M2';

/** Names that writers have for the factor of scaled fp8, behind a weight's name without `.weight`. */
const FP8_SUFFIXES: readonly string[] = ['.scale_weight', '.weight_scale', '.weight_scale_inv', '.scale'];
/** The same for tensors that are not called `weight`, such as those of all experts of a layer; behind the whole name. */
const FP8_NAME_SUFFIXES: readonly string[] = ['_scale', '_scale_inv'];
const WEIGHT_SUFFIX = '.weight';

/** A name without `.weight`. */
export const stemOf = (name: string): string =>
  name.endsWith(WEIGHT_SUFFIX) ? name.slice(0, -WEIGHT_SUFFIX.length) : name;

/** The tensor that holds the factors of a tensor of fp8, by whichever name. */
export const fp8Factor = ({ name }: Tensor, byName: ReadonlyMap<string, Tensor>): Tensor | undefined =>
  [...FP8_SUFFIXES.map((suffix) => stemOf(name) + suffix), ...FP8_NAME_SUFFIXES.map((suffix) => name + suffix)]
    .map((one) => byName.get(one))
    .find((factor) => factor !== undefined);

/** Whether the values of a tensor as it is stored are to be multiplied with factors that lie in another one. */
export const hasFactor = (tensor: Tensor, byName: ReadonlyMap<string, Tensor>): boolean =>
  isFp8(tensor) && tensor.scale === undefined && fp8Factor(tensor, byName) !== undefined;
