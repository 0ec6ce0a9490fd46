import { subgraphsOf, type Graph, type Model, type Node, type OnnxTensor } from './graph.js';

/**
 * The initializers of all graphs and what they are called, in the order of the file: one whose name another has, too, is
 * called after the node and the graph that it is in.
 */
export function namesOf({ graph }: Model): ReadonlyMap<OnnxTensor, string> {
  const names = new Map<OnnxTensor, string>();
  const taken = new Set<string>();
  const add = ({ initializers, nodes }: Graph, path: string): void => {
    for (const tensor of initializers) {
      const name = uniqueName(tensor.name ?? '', path, taken);
      taken.add(name);
      names.set(tensor, name);
    }
    for (const node of nodes) {
      for (const [index, subgraph] of subgraphsOf(node).entries()) {
        add(subgraph, `${path}${node.name ?? node.opType}/${subgraph.name ?? String(index)}/`);
      }
    }
  };
  add(graph, '');
  return names;
}

function uniqueName(name: string, path: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  let unique = `${path}${name}`;
  for (let count = 2; taken.has(unique); ++count) unique = `${path}${name} (${count})`;
  return unique;
}

/** A tensor of a model. */
export interface PlacedTensor {
  readonly tensor: OnnxTensor;
  /** The node that has it in an attribute; null for a graph's own. */
  readonly node: Node | null;
}

/** All tensors in the order in which the package onnx writes their elements into external files, which `inlineTensors` stay out of. */
export function tensorsOfModel(model: Model): readonly PlacedTensor[] {
  const { graph, functions } = model;
  const initializers = initializersOf(graph).map((tensor) => ({ tensor, node: null }));
  const nodes = [...graph.nodes, ...functions.flatMap((one) => one.nodes)];
  return [...initializers, ...attributeTensors(nodes), ...inlineTensors(model)];
}

/** Initializers of branches in functions: nothing looks for their elements in external files. */
export const inlineTensors = ({ functions }: Pick<Model, 'functions'>): readonly PlacedTensor[] =>
  functions
    .flatMap(({ nodes }) => nodes.flatMap(subgraphsOf).flatMap(initializersOf))
    .map((tensor) => ({ tensor, node: null }));

const initializersOf = ({ initializers, nodes }: Graph): readonly OnnxTensor[] => [
  ...initializers,
  ...nodes.flatMap((node) => subgraphsOf(node).flatMap(initializersOf)),
];

const attributeTensors = (nodes: readonly Node[]): readonly PlacedTensor[] =>
  nodes.flatMap((node) =>
    node.attributes.flatMap(({ tensor, tensors, graph, graphs }) => [
      ...(tensor === undefined ? [] : [{ tensor, node }]),
      ...tensors.map((one) => ({ tensor: one, node })),
      ...(graph === undefined ? [] : attributeTensors(graph.nodes)),
      ...graphs.flatMap((one) => attributeTensors(one.nodes)),
    ]),
  );
