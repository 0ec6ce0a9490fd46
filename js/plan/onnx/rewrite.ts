/** Replacing nodes of a model and of the branches in it, the way ONNX Runtime's quantizers do it. */

import {
  opsetOf,
  subgraphsOf,
  type Attribute,
  type Graph,
  type Model,
  type Node,
  type OnnxTensor,
} from '../../containers/onnx/graph.js';

/** A graph on its way: what nodes in it, or in branches of it, have added and taken away. */
export class WorkingGraph {
  readonly graph: Graph;
  readonly added: OnnxTensor[] = [];
  /** Names of inputs that were default values of weights. */
  readonly withoutInputs = new Set<string>();
  readonly #constants = new Map<string, OnnxTensor>();

  constructor(graph: Graph) {
    this.graph = graph;
    // Of those with the same name the first counts.
    for (const tensor of [...graph.initializers].reverse()) this.#constants.set(tensor.name ?? '', tensor);
  }

  constant(name: string): OnnxTensor | undefined {
    return this.#constants.get(name);
  }
}

/** The graphs that a node lies in, the innermost last. */
export type GraphStack = readonly WorkingGraph[];

/** What becomes of a node: itself, or others in its place. */
export type NodeRewriter = (node: Node, stack: GraphStack) => readonly Node[];

/** A constant that a node uses, and the graph that it lies in; null where no graph around the node has it. */
export function constantOf(
  name: string | undefined,
  stack: GraphStack,
): { readonly tensor: OnnxTensor; readonly owner: WorkingGraph } | null {
  // An empty name is an input that is left out.
  if (name === undefined || name === '') return null;
  for (const owner of [...stack].reverse()) {
    const tensor = owner.constant(name);
    if (tensor !== undefined) return { tensor, owner };
  }
  return null;
}

/**
 * Rewrites all nodes, those of branches before the node that has the branches. Nodes with branches are written anew: their
 * attributes are sorted, and texts about them are gone. Constants that nothing uses any more are removed, and of those with
 * the same name all but the first.
 */
export function rewriteModel(model: Model, rewrite: NodeRewriter): Model {
  const graph = rewriteGraph(model.graph, [], rewrite);
  return { ...model, graph: cleaned(graph).graph };
}

function rewriteGraph(graph: Graph, outer: GraphStack, rewrite: NodeRewriter): Graph {
  const working = new WorkingGraph(graph);
  const stack = [...outer, working];
  const nodes = graph.nodes.flatMap((node) => {
    const inner = withSubgraphs(node, (subgraph) => rewriteGraph(subgraph, stack, rewrite));
    return rewrite(inner, stack);
  });
  return {
    ...graph,
    nodes,
    initializers: [...graph.initializers, ...working.added],
    inputs: graph.inputs.filter(({ name }) => !working.withoutInputs.has(name)),
  };
}

/** A node whose branches are others; one without branches is itself. */
function withSubgraphs(node: Node, map: (graph: Graph) => Graph): Node {
  if (subgraphsOf(node).length === 0) return node;
  const attributes = node.attributes.map((attribute): Attribute => {
    const { graph, graphs, rest } = attribute;
    const texts = [DOC_STRING];
    return {
      ...attribute,
      graph: graph === undefined ? undefined : map(graph),
      graphs: graphs.map(map),
      rest: rest.filter(({ number }) => !texts.includes(number)),
    };
  });
  attributes.sort((a, b) => compareNames(a.name, b.name));
  const { opType, inputs, outputs, domain } = node;
  const name = node.name === '' ? undefined : node.name;
  return { name, opType, inputs, outputs, attributes, domain: domain === '' ? undefined : domain, rest: [] };
}

/** AttributeProto.doc_string. */
const DOC_STRING = 13;

/** By code points, as Python sorts texts; those of names are of UTF-16 only beyond any alphabet in use. */
const compareNames = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** A graph without unused constants, and the names that it takes from graphs around it. */
function cleaned(graph: Graph): { readonly graph: Graph; readonly wanted: ReadonlySet<string> } {
  const wanted = new Set([
    ...graph.nodes.flatMap(({ inputs }) => inputs.filter((name) => name !== '')),
    ...graph.outputs.map(({ name }) => name),
  ]);
  const nodes = graph.nodes.map((node) =>
    withSubgraphs(node, (subgraph) => {
      const inner = cleaned(subgraph);
      for (const name of inner.wanted) wanted.add(name);
      return inner.graph;
    }),
  );
  for (const { outputs } of nodes) for (const name of outputs) wanted.delete(name);
  const unused = new Set<string>();
  const initializers = graph.initializers.filter(({ name = '' }) => {
    if (wanted.delete(name)) return true;
    unused.add(name);
    return false;
  });
  const kept = new Set(initializers.map(({ name }) => name));
  const inputs = graph.inputs.filter(({ name }) => !unused.has(name) || kept.has(name));
  for (const { name } of inputs) wanted.delete(name);
  return { graph: { ...graph, nodes, initializers, inputs }, wanted };
}

/** The model with an import of an operator set: of that version, where it has another one. */
export function withOpset(model: Model, domain: string, version: number): Model {
  const { opsetImports } = model;
  const found = opsetImports.find((one) => (one.domain ?? '') === domain);
  if (found === undefined) return { ...model, opsetImports: [...opsetImports, opsetOf(domain, version)] };
  return { ...model, opsetImports: opsetImports.map((one) => (one === found ? { ...one, version } : one)) };
}
