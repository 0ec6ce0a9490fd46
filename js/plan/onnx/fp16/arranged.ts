/** The order of nodes and initializers that onnx-graphsurgeon gives a model, which float16.py has it sort. */

import { subgraphsOf, type Graph, type Node, type OnnxTensor } from '../../../containers/onnx/graph.js';
import { capturesOfNode, withGraphs } from '../subgraphs.js';

/**
 * A model's graph with nodes sorted by how many nodes they wait for in a row, those with equally many in the order in which a
 * walk from each node to its inputs ends; initializers in the order of their first use, in the one graph that uses them, and
 * without those that nothing uses.
 */
export function arranged(graph: Graph): Graph {
  const sorted = withSortedNodes(graph);
  return withInitializers(sorted, new Placement(sorted).initializers());
}

function withSortedNodes(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) => (subgraphsOf(node).length === 0 ? node : withGraphs(node, withSortedNodes)));
  return { ...graph, nodes: sortedNodes(nodes) };
}

function sortedNodes(nodes: readonly Node[]): readonly Node[] {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const needed = (node: Node): readonly Node[] =>
    [...node.inputs, ...capturesOfNode(node)]
      .map((name) => (name === '' ? undefined : producers.get(name)))
      .filter((it) => it !== undefined);
  const levels = new Map<Node, number>();
  for (const node of nodes) visit(node, needed, levels);
  return [...levels].sort(([, one], [, other]) => one - other).map(([node]) => node);
}

/** Enters a node into `levels` after all that it needs; without recursion, as models are deeper than stacks. */
function visit(first: Node, needed: (node: Node) => readonly Node[], levels: Map<Node, number>): void {
  const entered = new Set<Node>();
  const stack = [{ node: first, waiting: [...needed(first)] }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.waiting.shift();
    if (next === undefined) {
      stack.pop();
      if (!levels.has(top.node)) levels.set(top.node, levelOf(needed(top.node), levels));
    } else if (!levels.has(next) && !entered.has(next)) {
      entered.add(next);
      stack.push({ node: next, waiting: [...needed(next)] });
    }
  }
}

const levelOf = (needed: readonly Node[], levels: ReadonlyMap<Node, number>): number =>
  needed.reduce((level, node) => Math.max(level, (levels.get(node) ?? 0) + 1), 0);

const withInitializers = (graph: Graph, placed: ReadonlyMap<Graph, readonly OnnxTensor[]>): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) => withGraphs(node, (inner) => withInitializers(inner, placed))),
  initializers: placed.get(graph) ?? [],
});

/** Where each initializer goes: into the graph that uses it, where that is one; into the model's own if all others use it. */
class Placement {
  /** The graph that an initializer is in. */
  readonly #owners = new Map<OnnxTensor, Graph>();
  /** Graphs that use an initializer themselves, and the initializers that a graph uses; both in order. */
  readonly #users = new Map<OnnxTensor, Set<Graph>>();
  readonly #used = new Map<Graph, Set<OnnxTensor>>();
  /** How many graphs have an initializer of a name. */
  readonly #names = new Map<string, number>();

  constructor(readonly model: Graph) {
    this.#visit(model, () => undefined);
  }

  initializers(): ReadonlyMap<Graph, readonly OnnxTensor[]> {
    const graphs = [...this.#used];
    const placed = new Map<Graph, Set<OnnxTensor>>(graphs.map(([graph]) => [graph, new Set()]));
    const place = (tensor: OnnxTensor): Graph => this.#place(tensor, graphs.length - 1);
    for (const [graph, tensors] of graphs) {
      for (const tensor of tensors) if (place(tensor) === graph) placed.get(graph)?.add(tensor);
    }
    // What a graph holds for others comes after what it uses.
    for (const [, tensors] of graphs) for (const tensor of tensors) placed.get(place(tensor))?.add(tensor);
    return new Map([...placed].map(([graph, tensors]) => [graph, [...tensors]]));
  }

  #place(tensor: OnnxTensor, inner: number): Graph {
    const users = this.#users.get(tensor) ?? new Set();
    const usersInside = [...users].filter((graph) => graph !== this.model).length;
    const isEverywhere = usersInside === inner && inner > 0;
    const owner = this.#owners.get(tensor) ?? this.model;
    const [only] = isEverywhere ? [this.model] : users;
    const isOne = isEverywhere || users.size === 1;
    return isOne && only !== undefined && (this.#names.get(tensor.name ?? '') ?? 0) === 1 ? only : owner;
  }

  #visit(graph: Graph, outer: (name: string) => OnnxTensor | undefined): void {
    const used = new Set<OnnxTensor>();
    this.#used.set(graph, used);
    const own = new Map(graph.initializers.map((tensor) => [tensor.name ?? '', tensor]));
    for (const [name, tensor] of own) {
      this.#owners.set(tensor, graph);
      this.#names.set(name, (this.#names.get(name) ?? 0) + 1);
    }
    const made = new Set([...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)]);
    const find = (name: string): OnnxTensor | undefined => own.get(name) ?? (made.has(name) ? undefined : outer(name));
    const use = (name: string): void => {
      const tensor = find(name);
      if (tensor === undefined) return;
      used.add(tensor);
      this.#users.set(tensor, (this.#users.get(tensor) ?? new Set()).add(graph));
    };
    for (const node of graph.nodes) {
      for (const name of node.inputs) use(name);
      for (const inner of subgraphsOf(node)) this.#visit(inner, find);
    }
    for (const { name } of graph.outputs) use(name);
  }
}
