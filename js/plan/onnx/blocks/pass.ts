import type { Model, Node } from '../../../containers/onnx/graph.js';
import { withOpset, rewriteModel, type GraphStack } from '../rewrite.js';
import { Encodings, quantizedMatMul } from './matmul.js';
import type { BlockOptions } from './options.js';

/** MatMul with constant weights becomes MatMulNBits, as ONNX Runtime's MatMulNBitsQuantizer has it (algorithm DEFAULT). */
export function quantizeBlocks(model: Model, options: BlockOptions): Model {
  const made = new Encodings();
  const rewrite = (node: Node, stack: GraphStack): readonly Node[] => quantizedMatMul(node, stack, options, made);
  return rewriteModel(withOpset(model, 'com.microsoft', 1), rewrite);
}
