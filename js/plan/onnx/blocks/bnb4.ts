import { DataType } from '../../../containers/onnx/data-types.js';
import {
  intAttribute,
  isOnnxDomain,
  nodeOf,
  planeTensor,
  type Encoding,
  type Model,
  type Node,
  type OnnxTensor,
} from '../../../containers/onnx/graph.js';
import { Names } from '../names.js';
import { constantOf, rewriteModel, withOpset, type GraphStack } from '../rewrite.js';
import { isWeights, named } from './matmul.js';

/** How weights are quantized as bitsandbytes does it. */
export interface Bnb4Options {
  readonly kind: 'nf4' | 'fp4';
  readonly blockSize: number;
  readonly keeps: (weights: OnnxTensor, node: Node) => string | null;
}

/** What MatMulBnb4 calls the kinds. */
const QUANT_TYPES = { fp4: 0, nf4: 1 } as const;

/**
 * MatMul with a constant matrix becomes MatMulBnb4, as ONNX Runtime's MatMulBnb4Quantizer has it: blocks run through the
 * matrix with its rows and columns exchanged, whatever rows they end in.
 */
export function quantizeBnb4(model: Model, options: Bnb4Options): Model {
  const made = new Map<OnnxTensor, Encoding>();
  const names = new Names(model);
  const hasDomain = model.opsetImports.some(({ domain }) => domain === 'com.microsoft');
  const start = hasDomain ? model : withOpset(model, 'com.microsoft', 1);
  return rewriteModel(start, (node, stack) => quantizedNode(node, stack, options, { made, names }));
}

function quantizedNode(
  node: Node,
  stack: GraphStack,
  { kind, blockSize, keeps }: Bnb4Options,
  { made, names }: { readonly made: Map<OnnxTensor, Encoding>; readonly names: Names },
): readonly Node[] {
  if (node.opType !== 'MatMul' || !isOnnxDomain(node.domain)) return [node];
  const found = constantOf(node.inputs[1], stack);
  if (found === null || !isMatrix(found.tensor) || keeps(found.tensor, node) !== null) return [node];
  const { tensor, owner } = found;
  const { name = '', dims } = tensor;
  const encoding = made.get(tensor) ?? encodingOf(tensor, kind, blockSize);
  made.set(tensor, encoding);
  owner.withoutInputs.add(name);
  const [rows = 0, columns = 0] = dims;
  const weights = rows * columns;
  const levels = planeTensor(names.free(`${name}_Bnb4`), DataType.uint8, [Math.ceil(weights / 2)], encoding, 'levels');
  const absmaxName = names.free(`${name}_absmax`);
  const absmax = planeTensor(absmaxName, tensor.dataType, [Math.ceil(weights / blockSize)], encoding, 'absmax');
  owner.added.push(levels, absmax);
  const inputs = [node.inputs[0] ?? '', levels.name ?? '', absmax.name ?? ''];
  const attributes = [
    intAttribute('K', rows),
    intAttribute('N', columns),
    intAttribute('block_size', blockSize),
    intAttribute('quant_type', QUANT_TYPES[kind]),
  ];
  const about = { name: named(node, '_Bnb4'), domain: 'com.microsoft', attributes };
  return [nodeOf('MatMulBnb4', inputs, [node.outputs[0] ?? ''], about)];
}

const isMatrix = (tensor: OnnxTensor): boolean =>
  tensor.dims.length === 2 && tensor.dataType === DataType.float && isWeights(tensor);

const encodingOf = (weights: OnnxTensor, kind: 'nf4' | 'fp4', blockSize: number): Encoding => ({
  ...{ weights, view: 'transposed', rule: null },
  codec: { name: `onnx_bnb_${kind}`, bits: 0, groupSize: blockSize, symmetric: false },
});
