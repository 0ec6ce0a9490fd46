/** Dynamic quantization: weights of 8 bits, activations rounded when the model runs. */

import { codecNamed } from '../../../codecs/codec.js';
import {
  opsetOf,
  opsetVersion,
  subgraphsOf,
  type Graph,
  type Model,
  type Node,
  type OnnxTensor,
} from '../../../containers/onnx/graph.js';
import { QuantizeError } from '../../../errors.js';
import { Names } from '../names.js';
import { capturesOfNode, withGraphs } from '../subgraphs.js';
import { withUsedInitializers } from '../used.js';
import { valueKinds } from '../value-kinds.js';
import { withoutGemm } from './gemm.js';
import { addQuantized } from './operators.js';
import { Scope, type Decision, type Int8Settings, type Sign } from './scope.js';

/** Operators that ONNX Runtime Web has no kernels with weights of int8 for, or that are better with uint8. */
const UNSIGNED_OPERATORS = ['Conv', 'GroupQueryAttention', 'MultiHeadAttention'];

/** Since when there is DynamicQuantizeLinear. */
const OLDEST_OPSET = 11;

export interface Int8Options {
  readonly sign: Sign;
  /**
   * Whose results: `1.20` as transformers.js quantized with ONNX Runtime 1.20, `1.32` as `quantize_dynamic` of ONNX Runtime
   * 1.32 does: it leaves branches and bodies as they are, subtracts the ends of a range in double precision, and gives the
   * weights of a Gemm another name when it exchanges their dimensions.
   */
  readonly onnxRuntime: '1.20' | '1.32';
  /** Called for each weight that can be quantized; the same answer each time. */
  readonly decide: (weights: OnnxTensor) => Decision;
}

/** The sign that `q8` has: what runs everywhere. */
export const signOfQ8 = ({ graph }: Pick<Model, 'graph'>): Sign =>
  UNSIGNED_OPERATORS.some((opType) => hasOperator(graph, opType)) ? 'uint8' : 'int8';

/**
 * Quantizes what multiplies constant weights (MatMul, Gemm, Conv, Attention, LSTM) and what looks rows up in them (Gather,
 * EmbedLayerNormalization), with one scale for a tensor, as ONNX Runtime's `ONNXQuantizer` does: nodes, names and values are
 * the same. What it would make no running model of stays as it is: weights that are not f32, a Conv with a bias whose
 * weights the model computes. So does an LSTM of two directions, which have a scale each.
 *
 * @param model a model whose nodes are in an order in which they can run
 * @throws QuantizeError `unsupported_model` when the opset is older than 11
 */
export function int8Pass(model: Model, { sign, onnxRuntime, decide }: Int8Options): Model {
  checkOpset(model);
  const isNew = onnxRuntime === '1.32';
  const names = new Names(model);
  const { graph, transposed } = withoutGemm(model.graph, { renames: isNew, inSubgraphs: !isNew, decide, names });
  const codecs = { int8: codecNamed('onnx_int8'), uint8: codecNamed(isNew ? 'onnx_uint8' : 'onnx_uint8_f32') };
  const kinds = valueKinds({ graph });
  const settings: Int8Settings = { sign, codecs, decide, names, transposed, kinds };
  const quantized = withUsedInitializers(new Quantizing(settings, !isNew).graph(graph, undefined));
  return { ...model, graph: quantized, opsetImports: importsFor(model, quantized) };
}

class Quantizing {
  constructor(
    readonly settings: Int8Settings,
    readonly inSubgraphs: boolean,
  ) {}

  graph(graph: Graph, parent: Scope | undefined): Graph {
    const scope = new Scope(graph, this.settings, parent);
    for (const node of graph.nodes) this.#node(scope, node);
    for (const { name } of graph.outputs) scope.restore(name);
    return { ...graph, nodes: scope.nodes, initializers: scope.initializers };
  }

  #node(scope: Scope, node: Node): void {
    if (subgraphsOf(node).length === 0) {
      addQuantized(scope, node);
      return;
    }
    const inner = this.inSubgraphs ? withGraphs(node, (graph) => this.graph(graph, scope)) : node;
    for (const name of node.inputs) scope.restore(name);
    scope.addWith(capturesOfNode(inner), inner);
  }
}

function checkOpset(model: Model): void {
  const version = opsetVersion(model);
  if (version >= OLDEST_OPSET) return;
  const detail = `its ONNX operators are of version ${version}; export it with version ${OLDEST_OPSET} or newer to quantize to 8 bits`;
  throw new QuantizeError('unsupported_model', { detail });
}

function importsFor({ opsetImports }: Model, graph: Graph): Model['opsetImports'] {
  const isThere = opsetImports.some(({ domain }) => domain === 'com.microsoft');
  return isThere || !hasDomain(graph, 'com.microsoft') ? opsetImports : [...opsetImports, opsetOf('com.microsoft', 1)];
}

const hasOperator = (graph: Graph, opType: string): boolean => someNode(graph, (node) => node.opType === opType);
const hasDomain = (graph: Graph, domain: string): boolean => someNode(graph, (node) => node.domain === domain);

const someNode = (graph: Graph, matches: (node: Node) => boolean): boolean =>
  graph.nodes.some((node) => matches(node) || subgraphsOf(node).some((inner) => someNode(inner, matches)));
