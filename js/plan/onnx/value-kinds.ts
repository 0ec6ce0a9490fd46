/** Which values of a model are floats of 32 bits, in each of its graphs. */

import {
  isOnnxDomain,
  subgraphsOf,
  type Graph,
  type Model,
  type Node,
  type ValueInfo,
} from '../../containers/onnx/graph.js';
import { kindOf, outputKind } from './operator-types.js';

export interface ValueKind {
  readonly isFloat: boolean;
  /**
   * Whether ONNX's own inference of shapes knows it, which has not heard of ONNX Runtime's operators. Programs that ask it do
   * nothing about other values.
   */
  readonly isPlain: boolean;
}

/** The values of a graph that its own nodes, inputs and initializers give. What nothing tells is not in it. */
export type GraphKinds = ReadonlyMap<string, ValueKind>;

/**
 * Walks through all graphs, the outer ones first. What the file says of a value goes before what its operator says.
 *
 * @returns for each graph, branches and bodies included, its values
 */
export function valueKinds({ graph }: Pick<Model, 'graph'>): ReadonlyMap<Graph, GraphKinds> {
  const all = new Map<Graph, GraphKinds>();
  new Walk(graph, undefined, all, new Map()).run();
  return all;
}

const FLOAT: ValueKind = { isFloat: true, isPlain: true };
const OTHER: ValueKind = { isFloat: false, isPlain: true };

class Walk {
  readonly #kinds = new Map<string, ValueKind>();

  constructor(
    readonly graph: Graph,
    readonly parent: Walk | undefined,
    readonly all: Map<Graph, GraphKinds>,
    /** What a loop hands to the body's inputs, by their names. */
    given: ReadonlyMap<string, ValueKind>,
  ) {
    for (const [name, kind] of given) this.#kinds.set(name, kind);
    for (const info of [...graph.outputs, ...graph.valueInfos, ...graph.inputs]) this.#told(info);
    for (const { name = '', dataType } of graph.initializers) {
      this.#kinds.set(name, kindOf(dataType) === 'float' ? FLOAT : OTHER);
    }
  }

  run(): this {
    this.all.set(this.graph, this.#kinds);
    for (const node of this.graph.nodes) this.#node(node);
    return this;
  }

  find(name: string): ValueKind | undefined {
    return this.#kinds.get(name) ?? this.parent?.find(name);
  }

  #told({ name, type }: ValueInfo): void {
    const element = type?.tensor?.elementType;
    if (element !== undefined && element !== 0) this.#kinds.set(name, kindOf(element) === 'float' ? FLOAT : OTHER);
  }

  #node(node: Node): void {
    const graphs = subgraphsOf(node);
    const inner = graphs.map((graph) => this.#inner(node, graph));
    node.outputs.forEach((name, index) => {
      const kind = inner.length > 0 ? this.#ofGraphs(node, inner, index) : this.#ofOperator(node, index);
      if (name !== '' && kind !== undefined && !this.#kinds.has(name)) this.#kinds.set(name, kind);
    });
  }

  #ofOperator(node: Node, index: number): ValueKind | undefined {
    const kind = outputKind(node, index);
    if (kind === undefined) return undefined;
    const isPlain = isOnnxDomain(node.domain);
    if (typeof kind === 'string') return { isFloat: kind === 'float', isPlain };
    const like = this.find(node.inputs[kind] ?? '');
    return like === undefined ? undefined : { isFloat: like.isFloat, isPlain: isPlain && like.isPlain };
  }

  /** A branch's or body's own walk. What a loop carries has the kind of what it begins with. */
  #inner(node: Node, graph: Graph): Walk {
    const first = node.opType === 'Loop' ? 2 : 0;
    const begins = node.opType === 'Loop' || node.opType === 'Scan' ? node.inputs : [];
    const given = graph.inputs.flatMap(({ name }, index) => {
      const kind = index < first ? OTHER : this.find(begins[index] ?? '');
      return kind === undefined || begins.length === 0 ? [] : [[name, kind] as const];
    });
    return new Walk(graph, this, this.all, new Map(given)).run();
  }

  /** An output of a branch or body; a loop's condition comes before the others. */
  #ofGraphs(node: Node, inner: readonly Walk[], index: number): ValueKind | undefined {
    const skipped = node.opType === 'Loop' ? 1 : 0;
    const kinds = inner.map((walk) => walk.find(walk.graph.outputs[index + skipped]?.name ?? ''));
    return kinds.find((kind) => kind !== undefined);
  }
}
