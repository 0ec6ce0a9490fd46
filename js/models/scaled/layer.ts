import type { ByteRange } from '../../io/byte-io.js';
import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { QuantizeError } from '../../errors.js';
import { sourceOf, type CodedTensor, type Tensor } from '../../layouts/tensor.js';
import type { ModelConfig } from '../model-config.js';

/** Weights of a checkpoint that may be quantized, and what is said of them. */
export interface Layer {
  /** The tensor of the weights as it is stored. */
  readonly weight: Tensor;
  /** Its name without `.weight`, which the names of what belongs to it begin with. */
  readonly stem: string;
  /** What ComfyUI's JSON says of it; undefined where there is none. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** Whether ComfyUI's JSON says anything of any of the model's layers: then it says all that there is to say. */
  readonly isDescribed: boolean;
  /** All of the model's tensors. */
  readonly byName: ReadonlyMap<string, Tensor>;
  /** The names of what is beside it and called a scale, or something else that weights are computed with. */
  readonly scales: readonly string[];
  /** The model's config.json; null where there is none, or no format has asked for it. */
  readonly modelConfig: ModelConfig | null;
  /** The tensor whose name is the stem and this, or undefined. */
  readonly beside: (suffix: string) => Tensor | undefined;
}

/** How one layer is decoded. */
export interface Decoding {
  /** Short bytes that have to be known first. */
  readonly reads: readonly ByteRange[];
  /** The tensors that are no tensors of their own then, the weight's not among them. */
  readonly parts: readonly Tensor[];
  /** The tensor as kernels read it, given those bytes. Throws `invalid_file` or `unsupported_dtype`. */
  readonly decode: (read: readonly Uint8Array[]) => CodedTensor;
}

/** A way in which other programs store quantized weights. A new one is one file and one line in table.ts. */
export interface Format {
  /** Whether its tensors may be kept as they are, beside their factors. Default false. */
  readonly canStay?: boolean;
  /** Whether it heeds what ComfyUI's JSON says of a rotation. Default false. */
  readonly rotates?: boolean;
  /** Whether a layer is stored so, by names, types and what ComfyUI's JSON says. */
  readonly fits: (layer: Layer) => boolean;
  /** Whether the model's config.json has to say how a layer that fits is to be read. Default: never. */
  readonly asksConfig?: (layer: Layer) => boolean;
  /** Throws `invalid_file` for what is not as the format demands, `unsupported_dtype` for what cannot be decoded. */
  readonly open: (layer: Layer) => Decoding;
}

/** The layer cannot be what it says. */
export const damaged = ({ weight }: Pick<Layer, 'weight'>, detail: string): QuantizeError =>
  invalidFile(sourceOf(weight), `tensor ${quoted(weight.name)} ${detail}`, { layer: weight.name });

/** The layer is in a format that is known by name only. */
export const undecodable = ({ weight }: Pick<Layer, 'weight'>, format: string): QuantizeError =>
  new QuantizeError('unsupported_dtype', {
    file: sourceOf(weight).name,
    layer: weight.name,
    detail: format,
    advice: 'it cannot be decoded, so start from the model as it was before it was quantized',
  });

/** The tensor beside the weight of that name. Throws `invalid_file` where there is none. */
export function needed(layer: Layer, suffix: string): Tensor {
  const found = layer.beside(suffix);
  if (found === undefined) throw damaged(layer, `has no ${quoted(layer.stem + suffix)} beside it`);
  return found;
}

/** Factors that runtimes quantize activations with, by the ends of their names. */
export const ACTIVATION_SUFFIXES: readonly string[] = [
  ...['.scale_input', '.input_scale', '.input_global_scale', '.output_scale'],
  ...['.q_scale', '.k_scale', '.v_scale'],
];

export const isForActivations = (name: string): boolean => ACTIVATION_SUFFIXES.some((suffix) => name.endsWith(suffix));

/** Throws `unsupported_dtype` for weights of more than two dimensions, such as those of all experts. */
export function checkRank(layer: Layer, format: string): void {
  const rank = layer.weight.shape.length;
  if (rank > 2) throw undecodable(layer, `${format} of ${rank} dimensions`);
}

/** Those of the tensors that are there. */
export const present = (tensors: readonly (Tensor | undefined)[]): Tensor[] =>
  tensors.flatMap((tensor) => (tensor === undefined ? [] : [tensor]));

/** The bytes of a tensor of one plane in one piece. */
export function bytesOf(tensor: Tensor): ByteRange {
  const [range, ...others] = tensor.planes[0] ?? [];
  if (range !== undefined && others.length === 0) return range;
  throw new RangeError(`the tensor ${tensor.name} lies in several pieces`);
}

/** Rows and columns of the weights: all dimensions behind the first are columns. */
export function matrixOf({ weight: { shape, elements } }: Pick<Layer, 'weight'>): {
  readonly rows: number;
  readonly columns: number;
} {
  const rows = shape.length < 2 ? 1 : (shape[0] ?? 1);
  return { rows, columns: rows === 0 ? 0 : elements / rows };
}

/**
 * The rows that have a scale each: its shape is the first dimensions of the weight's, and as many ones behind them as there
 * may be. Null where it is not so.
 */
export function rowsOf(
  { weight }: Pick<Layer, 'weight'>,
  scale: Tensor,
): { readonly rows: number; readonly columns: number } | null {
  let dimensions = scale.shape.length;
  while (dimensions > 1 && scale.shape[dimensions - 1] === 1) --dimensions;
  const isPrefix =
    scale.shape.length > 0 &&
    scale.shape.length <= weight.shape.length &&
    scale.shape.slice(0, dimensions).every((size, index) => size === weight.shape[index]);
  const rows = scale.elements;
  return isPrefix && rows > 0 ? { rows, columns: weight.elements / rows } : null;
}
