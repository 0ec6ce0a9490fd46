/** What becomes of a checkpoint's weights, in the words of whoever describes an architecture. Each gives weights that are made while they are read. */

import { codecNamed } from '../../codecs/codec.js';
import type { ByteSource } from '../../io/byte-io.js';
import { MemorySource } from '../../io/memory-source.js';
import { TransposedSource } from '../../io/transposed-source.js';
import { fileBytes } from '../../layouts/tensor.js';
import { rangesOf } from '../../pipeline/stretches.js';
import { cast } from './elements.js';
import { elementBytes, misshapen, planeOf, rowBytes, type Weight } from './weight.js';

export { cast, plusOne } from './elements.js';
export { permutedHeads } from './heads.js';
export { renamed, type FloatType, type Weight } from './weight.js';

const product = (sizes: readonly number[]): number => sizes.reduce((whole, size) => whole * size, 1);

/** The matrix with rows and columns exchanged. Throws `invalid_file` for what is no matrix. */
export function transposed(weight: Weight): Weight {
  const [rows, columns] = weight.shape;
  if (rows === undefined || columns === undefined || weight.shape.length > 2) throw misshapen(weight, 'two dimensions');
  const shape = [columns, rows];
  if (rows <= 1 || columns <= 1) return { ...weight, shape };
  const width = elementBytes(weight) === 2 ? 2 : 4;
  const source = new TransposedSource(planeOf(weight), { rows, columns, width });
  return { ...weight, shape, planes: [[{ source, begin: 0, bytes: source.size }]], fileBytes: fileBytes(weight) };
}

/** The same weights in another shape. Throws `invalid_file` where it does not have as many elements. */
export function reshaped(weight: Weight, shape: readonly number[]): Weight {
  if (product(shape) !== weight.elements) throw misshapen(weight, `the elements of [${shape.join(', ')}]`);
  return { ...weight, shape };
}

/** Those of the rows from `begin` up to `end`: of whatever the first dimension counts. Throws `invalid_file` where it has not as many. */
export function rows(weight: Weight, begin: number, end: number): Weight {
  const [count = 0, ...row] = weight.shape;
  const isThere = weight.shape.length > 0 && begin >= 0 && begin <= end && end <= count;
  if (!isThere) throw misshapen(weight, `rows ${begin} to ${end}`);
  const bytes = rowBytes(weight);
  const plane = planeOf(weight);
  const ranges = rangesOf(plane, { begin: begin * bytes, bytes: (end - begin) * bytes });
  const shape = [end - begin, ...row];
  const elements = product(shape);
  const planes = [ranges.length > 0 ? ranges : plane.slice(0, 1).map((range) => ({ ...range, bytes: 0 }))];
  const share = count === 0 ? 0 : (end - begin) / count;
  return { ...weight, shape, elements, planes, fileBytes: Math.round(fileBytes(weight) * share) };
}

/**
 * Weights of one shape as a tensor with one dimension more, the first, which counts them. Those of different types become F32.
 * Throws `invalid_file` where shapes differ.
 */
export function stacked(weights: readonly Weight[], name: string): Weight {
  const [first] = weights;
  if (first === undefined) throw new RangeError(`${name} is made of nothing`);
  const other = weights.find(({ shape }) => !isSame(shape, first.shape));
  if (other !== undefined) throw misshapen(other, `[${first.shape.join(', ')}], as others have it`);
  return oneAfterTheOther(weights, name, [weights.length, ...first.shape]);
}

/**
 * The rows of one after those of the other. Those of different types become F32. Throws `invalid_file` where their rows
 * differ in shape.
 */
export function joined(weights: readonly Weight[], name: string): Weight {
  const [first] = weights;
  if (first === undefined) throw new RangeError(`${name} is made of nothing`);
  const [, ...row] = first.shape;
  const other = weights.find(({ shape }) => shape.length === 0 || !isSame(shape.slice(1), row));
  if (other !== undefined) throw misshapen(other, `rows of [${row.join(', ')}], as others have them`);
  return oneAfterTheOther(weights, name, [weights.reduce((count, { shape: [some = 0] }) => count + some, 0), ...row]);
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, index) => size === b[index]);

function oneAfterTheOther(weights: readonly Weight[], name: string, shape: readonly number[]): Weight {
  const isMixed = weights.some(({ codec }) => codec.name !== weights[0]?.codec.name);
  const parts = isMixed ? weights.map((weight) => cast(weight, 'F32')) : weights;
  const { codec, dtype } = parts[0] ?? { codec: codecNamed('F32'), dtype: 'F32' };
  return {
    name,
    codec,
    dtype,
    shape,
    elements: parts.reduce((sum, { elements }) => sum + elements, 0),
    planes: [parts.flatMap(planeOf)],
    partNames: weights.flatMap((weight) => weight.partNames ?? [weight.name]),
    fileBytes: weights.reduce((sum, weight) => sum + fileBytes(weight), 0),
    refusal: weights.find(({ refusal }) => refusal !== undefined)?.refusal,
  };
}

/** Numbers of our own as F32 weights. Errors about them name `origin`, the file whose contents they follow from. */
export function constant(
  name: string,
  shape: readonly number[],
  values: Float32Array,
  origin: Pick<ByteSource, 'name'>,
): Weight {
  if (product(shape) !== values.length) throw new RangeError(`${name} has not ${product(shape)} numbers`);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const source = new MemorySource(origin.name, bytes);
  const planes = [[{ source, begin: 0, bytes: bytes.length }]];
  return {
    name,
    shape,
    elements: values.length,
    dtype: 'F32',
    codec: codecNamed('F32'),
    planes,
    partNames: [],
    fileBytes: 0,
  };
}
