import { DataType } from '../../../containers/onnx/data-types.js';
import {
  intAttribute,
  isOnnxDomain,
  nodeOf,
  planeTensor,
  type Encoding,
  type Node,
  type OnnxTensor,
} from '../../../containers/onnx/graph.js';
import { constantOf, type GraphStack, type WorkingGraph } from '../rewrite.js';
import type { Names } from '../names.js';
import type { Encodings } from './encodings.js';
import { matrixOf, named, needsChain, type Matrix } from './matmul.js';
import type { BlockOptions } from './options.js';
import { reshapeChain } from './reshape-chain.js';

/** Matrices of int4 that DequantizeLinear nodes widen, by the graph that the node is in. */
export type Widened = Map<WorkingGraph, Set<string>>;

/** What nodes are made with. */
interface QdqContext {
  readonly options: BlockOptions;
  readonly made: Encodings;
  readonly widened: Widened;
}

/** DequantizeLinear of int4 before a MatMul with constant weights of f32; the node itself where it has none. */
export function dequantizedMatMul(
  node: Node,
  stack: GraphStack,
  { options, made, widened }: QdqContext,
): readonly Node[] {
  if (node.opType !== 'MatMul' || !isOnnxDomain(node.domain)) return [node];
  const found = constantOf(node.inputs[1], stack);
  const matrix = found?.tensor.dataType === DataType.float ? matrixOf(found.tensor, options) : null;
  if (found === null || matrix === null || options.keeps(found.tensor, node) !== null) return [node];
  const { tensor, owner } = found;
  const { blockSize, symmetric } = options;
  const encoding = made.of(tensor, { name: 'onnx_qdq4', bits: 0, groupSize: blockSize, symmetric }, 'columns');
  if (encoding === null) return [node];
  owner.withoutInputs.add(tensor.name ?? '');
  const planes = planesOf(tensor, matrix, { encoding, names: made.names }, options);
  owner.added.push(...planes);
  const names = planes.map((plane) => plane.name ?? '');
  const widenedName = made.names.free(`${names[0] ?? ''}_output`);
  const attributes = [intAttribute('axis', 0), intAttribute('block_size', blockSize)];
  const widening = nodeOf('DequantizeLinear', names, [widenedName], { name: named(node, '_DQ_Q4'), attributes });
  const [activations = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const needsReshape = needsChain(node, tensor, stack);
  const inner = needsReshape ? made.names.free(`${output}_pre_reshape`) : output;
  const matMul = nodeOf('MatMul', [activations, widenedName], [inner], { name: named(node, '_matmul_Q4') });
  const nodes = isWidened(widenedName, stack, widened) ? [matMul] : [widening, matMul];
  if (!needsReshape) return nodes;
  const prefix = `${named(node, '_DQ_Q4') ?? `${tensor.name ?? ''}_DQ_Q4`}_${output}`;
  const chain = reshapeChain({ activations, shape: tensor.dims, inner, output, prefix, made });
  owner.added.push(...chain.constants);
  return [...nodes, ...chain.nodes];
}

/** Whether a graph around has the value already; if not, the innermost has it from now on. */
function isWidened(name: string, stack: GraphStack, widened: Widened): boolean {
  if (stack.some((graph) => widened.get(graph)?.has(name) === true)) return true;
  const innermost = stack.at(-1);
  if (innermost !== undefined) widened.set(innermost, (widened.get(innermost) ?? new Set()).add(name));
  return false;
}

function planesOf(
  { name = '' }: OnnxTensor,
  { rows, columns }: Matrix,
  { encoding, names }: { readonly encoding: Encoding; readonly names: Names },
  { blockSize, symmetric }: BlockOptions,
): readonly OnnxTensor[] {
  const type = symmetric ? DataType.int4 : DataType.uint4;
  const blocks = [Math.ceil(rows / blockSize), columns];
  const free = (suffix: string): string => names.free(`${name}${suffix}`);
  return [
    planeTensor(free('_DQ_Q4'), type, [rows, columns], encoding, 'levels'),
    planeTensor(free('_DQ_scales'), DataType.float, blocks, encoding, 'scales'),
    ...(symmetric ? [] : [planeTensor(free('_DQ_zero_points'), type, blocks, encoding, 'zero_points')]),
  ];
}
