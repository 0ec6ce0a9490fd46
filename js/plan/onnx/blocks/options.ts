import type { Node, OnnxTensor } from '../../../containers/onnx/graph.js';

/** Versions of ONNX Runtime whose quantizers differ. */
export type RuntimeVersion = '1.20' | '1.23' | '1.32';

/** What becomes of weights in blocks. */
export interface BlockOptions {
  readonly bits: number;
  readonly blockSize: number;
  readonly symmetric: boolean;
  /** The attribute of MatMulNBits; 0: none. */
  readonly accuracyLevel: number;
  /** `operator`: MatMulNBits; `qdq`: DequantizeLinear before a MatMul. */
  readonly form: 'operator' | 'qdq';
  /** Whether embeddings (Gather) become GatherBlockQuantized. */
  readonly embeddings: boolean;
  readonly runtime: RuntimeVersion;
  /** Whether weights stay what they are, and why; null where they do not. */
  readonly keeps: (weights: OnnxTensor, node: Node) => string | null;
}
