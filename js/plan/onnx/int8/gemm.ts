/** Gemm as the MatMul and Add that can be quantized. */

import { DataType } from '../../../containers/onnx/data-types.js';
import {
  floatOf,
  isOnnxDomain,
  nodeOf,
  subgraphsOf,
  type Attribute,
  type Graph,
  type Node,
  type OnnxTensor,
} from '../../../containers/onnx/graph.js';
import type { Names } from '../names.js';
import { withGraphs } from '../subgraphs.js';
import type { Decision } from './scope.js';

export interface GemmSettings {
  /** Whether weights that are exchanged get a name of their own even where nothing else uses them. */
  readonly renames: boolean;
  readonly inSubgraphs: boolean;
  readonly decide: (weights: OnnxTensor) => Decision;
  readonly names: Names;
}

export interface WithoutGemm {
  readonly graph: Graph;
  /** Initializers whose two dimensions are to be exchanged: only nodes use them that need it. */
  readonly transposed: ReadonlySet<OnnxTensor>;
}

/**
 * Replaces each `Gemm` that only multiplies and adds by `<name>_MatMul` and `<name>_Add`, but for those whose weights stay.
 * Weights that it takes the other way round (`transB`) are to be exchanged; where other nodes take them, too, it gets its own.
 */
export function withoutGemm(graph: Graph, settings: GemmSettings): WithoutGemm {
  const uses = new Uses(graph);
  const transposed = new Set<OnnxTensor>();
  return { graph: new Replacing(graph, undefined, { ...settings, uses, transposed }).run(), transposed };
}

interface Context extends GemmSettings {
  readonly uses: Uses;
  readonly transposed: Set<OnnxTensor>;
}

class Replacing {
  readonly #initializers: Map<string, OnnxTensor>;
  /** By the names of weights, those that have been exchanged here. */
  readonly #exchanged = new Map<string, string>();

  constructor(
    readonly graph: Graph,
    readonly parent: Replacing | undefined,
    readonly context: Context,
  ) {
    this.#initializers = new Map(graph.initializers.map((tensor) => [tensor.name ?? '', tensor]));
  }

  run(): Graph {
    const nodes = this.graph.nodes.flatMap((node) => this.#replace(this.#withGraphs(node)));
    return { ...this.graph, nodes, initializers: [...this.#initializers.values()] };
  }

  #withGraphs(node: Node): Node {
    if (!this.context.inSubgraphs || subgraphsOf(node).length === 0) return node;
    const inner = (graph: Graph): Graph => new Replacing(graph, this, this.context).run();
    return withGraphs(node, inner);
  }

  #replace(node: Node): readonly Node[] {
    const gemm = plainGemm(node);
    const [left = '', right = '', bias = ''] = node.inputs;
    const [output = ''] = node.outputs;
    const weights = this.find(right);
    if (gemm === undefined || (weights !== undefined && !this.#isQuantized(weights))) return [node];
    const added: Node[] = [];
    const factor = gemm.isTransposed ? this.#exchange(node, right, weights, added) : right;
    const product = bias === '' ? output : this.context.names.free(`${output}_MatMul`);
    added.push(nodeOf('MatMul', [left, factor], [product], { name: suffixed(node, '_MatMul') }));
    if (bias !== '') added.push(nodeOf('Add', [product, bias], [output], { name: suffixed(node, '_Add') }));
    return added;
  }

  #isQuantized(weights: OnnxTensor): boolean {
    const isMatrix = weights.dataType === DataType.float && weights.dims.length === 2 && !weights.dims.includes(0);
    return isMatrix && weights.data.kind !== 'none' && this.context.decide(weights).quantized;
  }

  find(name: string): OnnxTensor | undefined {
    const isMade = this.context.uses.makes(this.graph, name);
    return this.#initializers.get(name) ?? (isMade ? undefined : this.parent?.find(name));
  }

  /** The name of the weights with their dimensions exchanged; where they are no initializer, a node has to do it. */
  #exchange(node: Node, name: string, weights: OnnxTensor | undefined, added: Node[]): string {
    const { uses, renames, transposed, names } = this.context;
    if (weights !== undefined && !renames && uses.onlyExchanged(weights)) {
      transposed.add(weights);
      return name;
    }
    const known = this.#exchanged.get(name);
    if (known !== undefined) return known;
    const exchanged = names.freshValue(`${name}_Transposed`);
    this.#exchanged.set(name, exchanged);
    if (weights === undefined) {
      added.push(nodeOf('Transpose', [name], [exchanged], { name: suffixed(node, '_Transpose') }));
      return exchanged;
    }
    const own = { ...weights, name: exchanged };
    this.#initializers.set(exchanged, own);
    transposed.add(own);
    return exchanged;
  }
}

/** How often initializers are used, and how often as the weights that a Gemm takes the other way round. */
class Uses {
  readonly #all = new Map<OnnxTensor, number>();
  readonly #exchanging = new Map<OnnxTensor, number>();
  readonly #made = new Map<Graph, ReadonlySet<string>>();

  constructor(graph: Graph) {
    this.#visit(graph, () => undefined);
  }

  onlyExchanged(tensor: OnnxTensor): boolean {
    return this.#all.get(tensor) === this.#exchanging.get(tensor);
  }

  makes(graph: Graph, name: string): boolean {
    return this.#made.get(graph)?.has(name) ?? false;
  }

  #visit(graph: Graph, outer: (name: string) => OnnxTensor | undefined): void {
    const initializers = new Map(graph.initializers.map((tensor) => [tensor.name ?? '', tensor]));
    const made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
    for (const { name } of graph.inputs) made.add(name);
    this.#made.set(graph, made);
    const find = (name: string): OnnxTensor | undefined =>
      initializers.get(name) ?? (made.has(name) ? undefined : outer(name));
    for (const node of graph.nodes) {
      for (const name of node.inputs) count(this.#all, find(name));
      if (plainGemm(node)?.isTransposed === true) count(this.#exchanging, find(node.inputs[1] ?? ''));
      for (const inner of subgraphsOf(node)) this.#visit(inner, find);
    }
    for (const { name } of graph.outputs) count(this.#all, find(name));
  }
}

function count(counts: Map<OnnxTensor, number>, tensor: OnnxTensor | undefined): void {
  if (tensor !== undefined) counts.set(tensor, (counts.get(tensor) ?? 0) + 1);
}

/** A Gemm that scales nothing, and takes its first input as it is. */
function plainGemm({ opType, domain, attributes }: Node): { readonly isTransposed: boolean } | undefined {
  if (opType !== 'Gemm' || !isOnnxDomain(domain)) return undefined;
  const find = (name: string): Attribute | undefined => attributes.find((it) => it.name === name);
  const scales = ['alpha', 'beta'].map((name) => find(name)).filter((it) => it !== undefined);
  const isPlain = scales.every((it) => (floatOf(it) ?? 0) === 1) && (find('transA')?.int ?? 0n) === 0n;
  return isPlain ? { isTransposed: (find('transB')?.int ?? 0n) === 1n } : undefined;
}

const suffixed = ({ name = '' }: Node, suffix: string): string | undefined =>
  name === '' ? undefined : `${name}${suffix}`;
