import type { Model } from '../../../containers/onnx/graph.js';
import { rewriteModel, withOpset, type NodeRewriter } from '../rewrite.js';
import { Encodings } from './encodings.js';
import { quantizedGather } from './gather.js';
import { withInt4 } from './int4-opset.js';
import { quantizedMatMul } from './matmul.js';
import type { BlockOptions } from './options.js';
import { dequantizedMatMul, type Widened } from './qdq.js';

/**
 * Quantizes constant weights in blocks, as ONNX Runtime's MatMulNBitsQuantizer has it (algorithm DEFAULT): those of MatMul,
 * and with `embeddings` those of Gather. Throws `unsupported_model` where int4 is needed and `model`, which is called `name`,
 * has operators that are too old.
 */
export function quantizeBlocks(model: Model, options: BlockOptions, name: string): Model {
  const { form, embeddings } = options;
  const widened: Widened = new Map();
  const imported = form === 'qdq' ? model : withOpset(model, 'com.microsoft', 1);
  const start = form === 'qdq' || embeddings ? withInt4(imported, name) : imported;
  const made = new Encodings(start);
  const rewrite: NodeRewriter = (node, stack) => {
    if (form === 'qdq') return dequantizedMatMul(node, stack, { options, made, widened });
    if (embeddings && node.opType === 'Gather') return quantizedGather(node, stack, options, made);
    return quantizedMatMul(node, stack, options, made);
  };
  return rewriteModel(start, rewrite);
}
