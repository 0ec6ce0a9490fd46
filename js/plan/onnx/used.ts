/** Leaving out initializers that nothing uses any more. */

import { subgraphsOf, type Graph } from '../../containers/onnx/graph.js';
import { capturesOfNode, withGraphs } from './subgraphs.js';

/**
 * A graph without the initializers that no node and no output takes, or that a node gives by now, in it and in its branches
 * and bodies. Inputs that only named such initializers go with them.
 */
export function withUsedInitializers(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) =>
    subgraphsOf(node).length === 0 ? node : withGraphs(node, withUsedInitializers),
  );
  const used = new Set(graph.outputs.map(({ name }) => name));
  for (const node of nodes) {
    for (const name of node.inputs) used.add(name);
    for (const name of capturesOfNode(node)) used.add(name);
  }
  for (const { outputs } of nodes) for (const name of outputs) used.delete(name);
  const initializers = graph.initializers.filter(({ name = '' }) => used.has(name));
  const gone = new Set(graph.initializers.map(({ name = '' }) => name).filter((name) => !used.has(name)));
  return { ...graph, nodes, initializers, inputs: graph.inputs.filter(({ name }) => !gone.has(name)) };
}
