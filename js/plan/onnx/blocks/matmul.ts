import type { Codec } from '../../../codecs/codec.js';
import { DataType } from '../../../containers/onnx/data-types.js';
import {
  intAttribute,
  isOnnxDomain,
  nodeOf,
  planeTensor,
  type Attribute,
  type Encoding,
  type Node,
  type OnnxTensor,
} from '../../../containers/onnx/graph.js';
import { constantOf, type GraphStack } from '../rewrite.js';
import type { Names } from '../names.js';
import type { Encodings } from './encodings.js';
import type { BlockOptions } from './options.js';
import { rankOf, reshapeChain } from './reshape-chain.js';

/** What a MatMul's weights are: a matrix [K, N], whatever dimensions of size 1 stand before. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
}

/** Codecs for weights of each type. */
const CODECS: Readonly<Record<number, string>> = {
  [DataType.float]: 'onnx_blocks',
  [DataType.float16]: 'onnx_blocks_f16',
};

/** MatMulNBits in place of a MatMul with constant weights; the node itself where it has none that can be quantized. */
export function quantizedMatMul(
  node: Node,
  stack: GraphStack,
  options: BlockOptions,
  made: Encodings,
): readonly Node[] {
  if (node.opType !== 'MatMul' || !isOnnxDomain(node.domain)) return [node];
  const found = constantOf(node.inputs[1], stack);
  const matrix = found === null ? null : matrixOf(found.tensor, options);
  if (found === null || matrix === null || options.keeps(found.tensor, node) !== null) return [node];
  const { tensor, owner } = found;
  const encoding = made.of(tensor, codecFor(tensor, options), 'columns');
  if (encoding === null) return [node];
  owner.withoutInputs.add(tensor.name ?? '');
  const planes = planesOf(tensor, matrix, { encoding, names: made.names }, options);
  owner.added.push(...planes);
  const needsReshape = needsChain(node, tensor, stack);
  const [output = ''] = node.outputs;
  const inner = needsReshape ? made.names.free(`${output}_pre_reshape`) : output;
  const suffix = `_Q${options.bits}`;
  const quantized = nodeOf('MatMulNBits', [node.inputs[0] ?? '', ...planes.map(({ name = '' }) => name)], [inner], {
    ...{ name: named(node, suffix), domain: 'com.microsoft', attributes: attributesOf(matrix, options) },
  });
  if (!needsReshape) return [quantized];
  const chain = reshapeChain({
    ...{ activations: node.inputs[0] ?? '', shape: tensor.dims, inner, output, made },
    prefix: `${named(node, suffix) ?? `${tensor.name ?? ''}${suffix}`}_${output}`,
  });
  owner.added.push(...chain.constants);
  return [quantized, ...chain.nodes];
}

const codecFor = ({ dataType }: OnnxTensor, { bits, blockSize, symmetric }: BlockOptions): Codec => ({
  ...{ name: CODECS[dataType] ?? '', bits, groupSize: blockSize, symmetric },
});

/** The node's name with a suffix; a node without a name stays without one. */
export const named = ({ name }: Node, suffix: string): string | undefined =>
  name === undefined || name === '' ? undefined : `${name}${suffix}`;

/** Whether these are floats that lie in one piece as numbers, and there are some. */
export function isWeights({ dataType, dims, data }: OnnxTensor): boolean {
  if (data.kind !== 'stored' && data.kind !== 'bytes') return false;
  const field = dataType === DataType.float ? 'float_data' : 'raw_data';
  return (data.field === 'raw_data' || data.field === field) && dims.every((size) => size > 0);
}

/** Null where these are no weights that ONNX Runtime would quantize. */
export function matrixOf(tensor: OnnxTensor, { runtime }: BlockOptions): Matrix | null {
  const { dataType, dims } = tensor;
  const leading = dims.slice(0, -2);
  const [rows = 0, columns = 0] = dims.slice(-2);
  const hasRank = dims.length === 2 || (dims.length > 2 && runtime === '1.32' && leading.every((size) => size === 1));
  return hasRank && CODECS[dataType] !== undefined && isWeights(tensor) ? { rows, columns } : null;
}

function planesOf(
  { name = '', dataType }: OnnxTensor,
  { rows, columns }: Matrix,
  { encoding, names }: { readonly encoding: Encoding; readonly names: Names },
  { bits, blockSize, symmetric, runtime }: BlockOptions,
): readonly OnnxTensor[] {
  const blocks = Math.ceil(rows / blockSize);
  const zeroPoints = Math.ceil((blocks * bits) / 8);
  const dims = (count: number): number[] => (runtime === '1.32' ? [columns, count] : [columns * count]);
  const { uint8 } = DataType;
  const free = (suffix: string): string => names.free(`${name}${suffix}`);
  return [
    planeTensor(free(`_Q${bits}`), uint8, [columns, blocks, (blockSize * bits) / 8], encoding, 'levels'),
    planeTensor(free('_scales'), dataType, dims(blocks), encoding, 'scales'),
    ...(symmetric ? [] : [planeTensor(free('_zero_points'), uint8, dims(zeroPoints), encoding, 'zero_points')]),
  ];
}

/** In the order of their names. */
function attributesOf({ rows, columns }: Matrix, { bits, blockSize, accuracyLevel }: BlockOptions): Attribute[] {
  return [
    intAttribute('K', rows),
    intAttribute('N', columns),
    ...(accuracyLevel === 0 ? [] : [intAttribute('accuracy_level', accuracyLevel)]),
    intAttribute('bits', bits),
    intAttribute('block_size', blockSize),
  ];
}

/** Whether the result would have fewer dimensions than that of the MatMul has, or might have. */
export function needsChain(node: Node, { dims }: OnnxTensor, stack: GraphStack): boolean {
  if (dims.length === 2) return false;
  const rank = rankOf(node.inputs[0] ?? '', stack);
  return rank === null || rank < dims.length;
}
