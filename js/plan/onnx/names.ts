/** The names of a model's values and nodes, and of those that a pass adds. */

import { subgraphsOf, type Graph, type Model, type Node } from '../../containers/onnx/graph.js';

/** Names that are taken; how often each has been asked for, so that the thousandth time is as quick as the first. */
export class Taken {
  readonly #names = new Set<string>();
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#names.add(name);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  fresh(name: string): string {
    let count = this.#counts.get(name) ?? 0;
    let candidate = count === 0 ? name : `${name}_${count}`;
    for (; this.#names.has(candidate); candidate = `${name}_${count}`) count += 1;
    this.#counts.set(name, count);
    this.#names.add(candidate);
    return candidate;
  }
}

/** All names of a model, those of its branches and bodies as well. */
export class Names {
  readonly #values = new Taken();
  readonly #nodes = new Taken();
  readonly #free = new Map<string, string>();

  constructor({ graph }: Pick<Model, 'graph'>) {
    this.#addGraph(graph);
  }

  /** `name`, or one like it where the model has a value of that name: the same one each time that it is asked for. */
  free(name: string): string {
    if (!this.#values.has(name)) return name;
    const known = this.#free.get(name) ?? this.#values.fresh(name);
    this.#free.set(name, known);
    return known;
  }

  /** `name`, or one like it that no value has; no value will get it again. */
  freshValue(name: string): string {
    return this.#values.fresh(name);
  }

  /** The same for a node. */
  freshNode(name: string): string {
    return this.#nodes.fresh(name);
  }

  #addGraph(graph: Graph): void {
    for (const { name } of graph.inputs) this.#values.add(name);
    for (const { name = '' } of graph.initializers) this.#values.add(name);
    for (const node of graph.nodes) this.#addNode(node);
  }

  #addNode(node: Node): void {
    if (node.name !== undefined) this.#nodes.add(node.name);
    for (const name of node.outputs) this.#values.add(name);
    for (const graph of subgraphsOf(node)) this.#addGraph(graph);
  }
}
