import { DataType } from '../../../containers/onnx/data-types.js';
import {
  intAttribute,
  isOnnxDomain,
  nodeOf,
  planeTensor,
  type Node,
  type OnnxTensor,
} from '../../../containers/onnx/graph.js';
import { constantOf, type GraphStack } from '../rewrite.js';
import type { Encodings } from './encodings.js';
import { isWeights, named } from './matmul.js';
import type { BlockOptions } from './options.js';

/**
 * GatherBlockQuantized in place of a Gather that looks rows up in a constant matrix of f32, in blocks along the rows; the
 * node itself where its rows are no whole blocks.
 */
export function quantizedGather(
  node: Node,
  stack: GraphStack,
  options: BlockOptions,
  made: Encodings,
): readonly Node[] {
  if (node.opType !== 'Gather' || !isOnnxDomain(node.domain)) return [node];
  const found = constantOf(node.inputs[0], stack);
  const axis = Number(node.attributes.find(({ name }) => name === 'axis')?.int ?? 0n);
  const { blockSize, symmetric, keeps } = options;
  if (found === null || axis !== 0 || !isEmbedding(found.tensor, blockSize)) return [node];
  const { tensor, owner } = found;
  if (keeps(tensor, node) !== null) return [node];
  const encoding = made.of(tensor, { name: 'onnx_gather4', bits: 0, groupSize: blockSize, symmetric }, 'stored');
  if (encoding === null) return [node];
  const { name = '', dims } = tensor;
  const [rows = 0, columns = 0] = dims;
  const blocks = [rows, columns / blockSize];
  const type = symmetric ? DataType.int4 : DataType.uint4;
  owner.withoutInputs.add(name);
  const free = (suffix: string): string => made.names.free(`${name}${suffix}`);
  const planes = [
    planeTensor(free('_Q4'), type, dims, encoding, 'levels'),
    planeTensor(free('_scales'), DataType.float, blocks, encoding, 'scales'),
    ...(symmetric ? [] : [planeTensor(free('_zero_points'), type, blocks, encoding, 'zero_points')]),
  ];
  owner.added.push(...planes);
  const [levels = '', ...others] = planes.map((plane) => plane.name ?? '');
  const attributes = [
    intAttribute('block_size', blockSize),
    intAttribute('gather_axis', axis),
    intAttribute('quantize_axis', 1),
  ];
  const about = { name: named(node, '_Q4'), domain: 'com.microsoft', attributes };
  return [nodeOf('GatherBlockQuantized', [levels, node.inputs[1] ?? '', ...others], [node.outputs[0] ?? ''], about)];
}

const isEmbedding = (tensor: OnnxTensor, blockSize: number): boolean =>
  tensor.dataType === DataType.float &&
  tensor.dims.length === 2 &&
  (tensor.dims[1] ?? 0) % blockSize === 0 &&
  isWeights(tensor);
