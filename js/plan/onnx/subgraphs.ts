/** Branches of a condition and bodies of a loop: graphs in the attributes of nodes. */

import { subgraphsOf, type Graph, type Node, type OnnxTensor } from '../../containers/onnx/graph.js';

/** What a graph needs from outside: the inputs of its nodes, and its outputs, that nothing in it gives. */
export function capturesOf(graph: Graph): ReadonlySet<string> {
  const own = new Set([...graph.inputs, ...graph.initializers].map(({ name = '' }) => name));
  for (const { outputs } of graph.nodes) for (const name of outputs) own.add(name);
  const captures = new Set<string>();
  for (const node of graph.nodes) {
    for (const name of [...node.inputs, ...capturesOfNode(node)]) if (name !== '' && !own.has(name)) captures.add(name);
  }
  for (const { name } of graph.outputs) if (!own.has(name)) captures.add(name);
  return captures;
}

/** What the branches and bodies of a node take from the graph that it is in, and those around. */
export function capturesOfNode(node: Node): ReadonlySet<string> {
  return new Set(subgraphsOf(node).flatMap((graph) => [...capturesOf(graph)]));
}

/** The nodes that take initializers as inputs, in a graph and in its branches and bodies. */
export function usersOf(graph: Graph): ReadonlyMap<OnnxTensor, readonly Node[]> {
  const users = new Map<OnnxTensor, Node[]>();
  addUsers(graph, () => undefined, users);
  return users;
}

function addUsers(graph: Graph, outer: (name: string) => OnnxTensor | undefined, users: Map<OnnxTensor, Node[]>): void {
  const own = new Map(graph.initializers.map((tensor) => [tensor.name ?? '', tensor]));
  const made = new Set([...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)]);
  const find = (name: string): OnnxTensor | undefined => own.get(name) ?? (made.has(name) ? undefined : outer(name));
  for (const node of graph.nodes) {
    for (const tensor of new Set(node.inputs.map(find))) {
      if (tensor === undefined) continue;
      const known = users.get(tensor);
      if (known === undefined) users.set(tensor, [node]);
      else known.push(node);
    }
    for (const inner of subgraphsOf(node)) addUsers(inner, find, users);
  }
}

/** A node with other branches and bodies. */
export function withGraphs(node: Node, change: (graph: Graph) => Graph): Node {
  const attributes = node.attributes.map((attribute) => {
    if (attribute.graph === undefined && attribute.graphs.length === 0) return attribute;
    const graph = attribute.graph === undefined ? undefined : change(attribute.graph);
    return { ...attribute, graph, graphs: attribute.graphs.map(change) };
  });
  return { ...node, attributes };
}
