import { codecNamed } from '../../codecs/codec.js';
import { byCodePoint } from '../../containers/code-points.js';
import { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { sourceOf, storageLabel, type Tensor } from '../../layouts/tensor.js';
import type { Model } from '../../models/model.js';
import type { Hparams } from '../config/hparams.js';
import { numbersOf } from './numbers.js';
import { dequantized } from './quantized/method.js';
import { decodedWeight, readFloats } from './quantized/rows.js';
import { isFloatType, type Weight } from './weight.js';

/** What weights are taken from. */
export type StoredModel = Pick<Model, 'tensors' | 'container'>;

/**
 * Tensors in the order in which llama.cpp's converter reads them: the files by their names; inside of a safetensors file by the
 * tensors' names, inside of a PyTorch file as they lie. Names are compared by code points.
 */
export function inConverterOrder({ tensors, container }: StoredModel): readonly Tensor[] {
  const files = new Map<ByteSource, Tensor[]>();
  for (const tensor of tensors) {
    const source = sourceOf(tensor);
    const others = files.get(source);
    if (others === undefined) files.set(source, [tensor]);
    else others.push(tensor);
  }
  const sorted = [...files].sort(([a], [b]) => byCodePoint(a.fileName, b.fileName)).map(([, listed]) => listed);
  if (container === 'torch') return sorted.flat();
  return sorted.flatMap((listed) => listed.sort((a, b) => byCodePoint(a.name, b.name)));
}

/**
 * The weights of a checkpoint in the converter's order. What is F32, F16 or BF16 stays what it is, and is read where it lies; all
 * else is F32 that is made while it is read: numbers of other types, and quantized weights, which the converter's arithmetic
 * decodes, unless `method` is what it calls them. What cannot be read has a `refusal`. Rejects as `dequantized` does.
 */
export async function decodedWeights(
  model: StoredModel,
  hparams: Hparams,
  method?: string,
): Promise<readonly Weight[]> {
  const tensors = new Map(inConverterOrder(model).map((tensor) => [tensor.name, tensor]));
  const { inPlace, last, taken } = await dequantized(tensors, hparams, method);
  const weights = [...tensors.values()].filter(({ name }) => !taken.has(name));
  return [...weights.map((tensor) => inPlace.get(tensor.name) ?? weightOf(tensor)), ...last];
}

function weightOf(tensor: Tensor): Weight {
  const { name, shape, elements, codec, planes } = tensor;
  if (codec !== null && isFloatType(codec.name)) return tensor;
  const isPlain = codec === null || codec.name === tensor.dtype;
  if (numbersOf(tensor.dtype) === undefined || !isPlain) {
    return { name, shape, elements, dtype: 'F32', codec: codecNamed('F32'), planes, refusal: unreadable(tensor) };
  }
  return decodedWeight({
    ...{ name, shape, parts: [tensor], format: tensor.dtype },
    decode: ({ row, column }, into) => readFloats(tensor, row * (shape.at(-1) ?? 1) + column, into),
  });
}

const unreadable = (tensor: Tensor): QuantizeError =>
  new QuantizeError('unsupported_dtype', {
    file: sourceOf(tensor).name,
    layer: tensor.name,
    detail: storageLabel(tensor),
    advice:
      'its numbers cannot be read, so make floats of it first (arrowquant dequantize), in a folder with config.json and tokenizer',
  });
