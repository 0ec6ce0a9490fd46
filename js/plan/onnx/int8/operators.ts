/** What becomes of the operators that have a form for 8 bits, as ONNX Runtime's dynamic quantization has them. */

import { DataType } from '../../../containers/onnx/data-types.js';
import {
  intAttribute,
  isOnnxDomain,
  nodeOf,
  tensorOf,
  type Attribute,
  type Node,
} from '../../../containers/onnx/graph.js';
import { lstm } from './lstm.js';
import type { Quantized, Scope } from './scope.js';

const MICROSOFT = 'com.microsoft';

/** Adds what stands for a node, and says whether it did; where it did not, the node stays as it is. */
type Operator = (scope: Scope, node: Node) => boolean;

const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['MatMul', matMul],
  ['Conv', convolution],
  ['Gather', gather],
  ['LSTM', lstm],
  ['Transpose', transpose],
  [`${MICROSOFT}.Attention`, attention],
  [`${MICROSOFT}.EmbedLayerNormalization`, embedding],
]);

/** Adds a node, or what it is in 8 bits. Its graphs are those of `node`: they are quantized before. */
export function addQuantized(scope: Scope, node: Node): void {
  const name = isOnnxDomain(node.domain) ? node.opType : `${node.domain ?? ''}.${node.opType}`;
  if (OPERATORS.get(name)?.(scope, node) === true) return;
  for (const input of node.inputs) scope.restore(input);
  scope.add(node);
}

const isQuantizable = (scope: Scope, name: string): boolean =>
  !scope.isTurned(name) && scope.decisionOn(name)?.quantized === true;

const named = (node: Node, suffix: string): string | undefined =>
  node.name === undefined || node.name === '' ? undefined : `${node.name}${suffix}`;

function matMul(scope: Scope, node: Node): boolean {
  const [left = '', right = ''] = node.inputs;
  const [output = ''] = node.outputs;
  if (!isQuantizable(scope, right)) return false;
  const factors = [scope.quantize(left, 'uint8'), scope.quantize(right, scope.settings.sign)] as const;
  addProduct(scope, node, 'MatMulInteger', [], factors, output);
  return true;
}

function convolution(scope: Scope, node: Node): boolean {
  const [input = '', weights = '', bias = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const rank = scope.initializer(weights)?.dims.length;
  // Weights that the model computes are quantized as activations are; how many dimensions they have is not known.
  if (rank === undefined ? bias !== '' || !scope.isFloat(weights) : !isQuantizable(scope, weights)) return false;
  const factors = [scope.quantize(input, 'uint8'), scope.quantize(weights, scope.settings.sign)] as const;
  const scaled = bias === '' ? output : scope.settings.names.free(`${output}quant_scaled_output`);
  addProduct(scope, node, 'ConvInteger', node.attributes, factors, scaled);
  if (bias !== '' && rank !== undefined) addBias(scope, output, scaled, bias, rank);
  return true;
}

/** A product of integers, which a scale turns into floats. */
function addProduct(
  scope: Scope,
  node: Node,
  opType: string,
  attributes: readonly Attribute[],
  [left, right]: readonly [Quantized, Quantized],
  output: string,
): void {
  const { names } = scope.settings;
  const usual = `${node.outputs[0] ?? ''}_output_quantized`;
  const [integers, floats] = [names.free(usual), names.free(`${usual}_cast_output`)];
  const name = named(node, '_quant');
  const inputs = [left.levels, right.levels, left.zeroPoint, right.zeroPoint];
  const cast = { name: `${usual}_cast`, attributes: [intAttribute('to', DataType.float)] };
  scope.add(nodeOf(opType, inputs, [integers], { name, attributes }), nodeOf('Cast', [integers], [floats], cast));
  const scales = addScales(scope, name, [left.scale, right.scale]);
  scope.add(nodeOf('Mul', [floats, scales], [output], { name: named(node, '_quant_output_scale_mul') }));
}

/** The product of two scales, which nodes without a name share. */
function addScales(scope: Scope, name: string | undefined, scales: readonly [string, string]): string {
  const usual = name === undefined ? `${scales[0]}_${scales[1]}_mul` : `${name}_scales_mul`;
  const key = JSON.stringify([usual, ...scales]);
  const known = scope.products.get(key);
  if (known !== undefined) return known;
  // Nodes of the same name have products that differ.
  const own = scope.productNames.fresh(usual);
  const product = scope.settings.names.free(`${own}:0`);
  scope.add(nodeOf('Mul', scales, [product], { name: own }));
  scope.products.set(key, product);
  return product;
}

function addBias(scope: Scope, output: string, scaled: string, bias: string, rank: number): void {
  const { names } = scope.settings;
  const shape = names.free(`${output}_bias_reshape_shape`);
  const reshaped = names.free(`${output}_bias_reshape_output`);
  const extents = BigInt64Array.from({ length: rank }, (_, dimension) => (dimension === 1 ? -1n : 1n));
  scope.addInitializer(tensorOf(shape, DataType.int64, [rank], littleEndian(extents)));
  scope.restore(bias);
  scope.add(nodeOf('Reshape', [bias, shape], [reshaped]));
  scope.add(nodeOf('Add', [scaled, reshaped], [output], { name: `${output}_bias_add` }));
}

function littleEndian(values: BigInt64Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  values.forEach((value, index) => {
    view.setBigInt64(index * 8, value, true);
  });
  return new Uint8Array(view.buffer);
}

/** Rows of an embedding stay quantized until a node takes them as floats. */
function gather(scope: Scope, node: Node): boolean {
  const [data = '', ...indices] = node.inputs;
  if (!isQuantizable(scope, data)) return false;
  addMoved(scope, node, scope.quantize(data, 'uint8'), indices);
  return true;
}

/** What only moves numbers moves levels, where its input is quantized anyway. */
function transpose(scope: Scope, node: Node): boolean {
  const [data = '', ...others] = node.inputs;
  const quantized = scope.findQuantized(data);
  if (quantized === undefined) return false;
  addMoved(scope, node, quantized, others);
  return true;
}

function addMoved(scope: Scope, node: Node, quantized: Quantized, others: readonly string[]): void {
  const [output = ''] = node.outputs;
  const levels = scope.settings.names.free(`${output}_quantized`);
  scope.remember(output, { ...quantized, levels });
  scope.add({ ...node, inputs: [quantized.levels, ...others], outputs: [levels] });
}

function attention(scope: Scope, node: Node): boolean {
  const [input = '', weights = '', bias = '', mask = '', past = ''] = node.inputs;
  const hasSizes = node.attributes.some(({ name }) => name === 'qkv_hidden_sizes');
  // What comes after the past state has no place in QAttention.
  const hasMore = node.inputs.slice(5).some((name) => name !== '');
  if (hasSizes || hasMore || !isQuantizable(scope, weights)) return false;
  const factors = [scope.quantize(input, 'uint8'), scope.quantize(weights, scope.settings.sign)] as const;
  const inputs = [
    ...factors.map(({ levels }) => levels),
    bias,
    ...factors.map(({ scale }) => scale),
    mask,
    ...factors.map(({ zeroPoint }) => zeroPoint),
    past,
  ];
  for (const name of [bias, mask, past]) scope.restore(name);
  scope.add({ ...node, opType: 'QAttention', name: named(node, '_quant'), inputs });
  return true;
}

function embedding(scope: Scope, node: Node): boolean {
  const weights = Array.from({ length: 5 }, (_, index) => node.inputs[index + 2] ?? '');
  const given = weights.filter((name) => name !== '');
  if (node.outputs.length > 2 || !given.every((name) => isQuantizable(scope, name))) return false;
  const none: Quantized = { levels: '', scale: '', zeroPoint: '' };
  const all = weights.map((name) => (name === '' ? none : scope.quantize(name, 'uint8')));
  const inputs = [
    ...node.inputs.slice(0, 2),
    ...all.map(({ levels }) => levels),
    node.inputs[7] ?? '',
    ...all.map(({ scale }) => scale),
    ...all.map(({ zeroPoint }) => zeroPoint),
  ];
  scope.add({ ...node, opType: 'QEmbedLayerNormalization', name: named(node, '_quant'), inputs });
  return true;
}
