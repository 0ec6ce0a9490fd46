/** One graph on its way to float16. */

import { DataType } from '../../../containers/onnx/data-types.js';
import {
  intAttribute,
  nodeOf,
  type Attribute,
  type Graph,
  type Node,
  type OnnxTensor,
  type ValueInfo,
} from '../../../containers/onnx/graph.js';
import { QuantizeError, quoted } from '../../../errors.js';
import type { Names } from '../names.js';
import { capturesOfNode, withGraphs } from '../subgraphs.js';
import type { GraphKinds } from '../value-kinds.js';
import { isBlocked, isEmptySequence } from './blocked.js';

export interface HalvedContext {
  readonly halve: (tensor: OnnxTensor) => OnnxTensor;
  readonly names: Names;
  readonly kinds: ReadonlyMap<Graph, GraphKinds>;
  readonly opset: number;
}

/** What a value is in the new graph: f32 (only initializers are), float16, or what it was. */
type State = 'float' | 'half' | 'other';

/** A graph, and what has become of the values of those around it. */
export class HalvedGraph {
  readonly #blocked: ReadonlySet<Node>;
  readonly #kinds: GraphKinds;
  readonly #initializers: ReadonlySet<string>;
  /** Initializers of f32, and those of them that stay so. */
  readonly #floats: ReadonlySet<string>;
  readonly #kept: ReadonlySet<string>;
  /** Own values that go by another name, in this graph and in those inside. */
  readonly #renamed = new Map<string, string>();
  /** Outputs of the model that nodes in f32 give. */
  readonly #halfOutputs = new Set<string>();
  readonly #casts: Node[] = [];
  readonly #inputs: ReadonlySet<string>;
  /** Values that the script finds the types of, and outputs, which it does not look at. */
  readonly #told: ReadonlySet<string>;
  readonly #typedOutputs: ReadonlySet<string>;

  constructor(
    readonly graph: Graph,
    readonly parent: HalvedGraph | undefined,
    readonly context: HalvedContext,
  ) {
    this.#blocked = new Set(graph.nodes.filter((node) => isBlocked(node, context.opset)));
    this.#kinds = context.kinds.get(graph) ?? new Map();
    this.#initializers = new Set(graph.initializers.map(({ name = '' }) => name));
    const floats = graph.initializers.filter(({ dataType }) => dataType === DataType.float);
    this.#floats = new Set(floats.map(({ name = '' }) => name));
    this.#kept = this.#keptInitializers();
    this.#inputs = namesOf(graph.inputs);
    this.#told = namesOf([...graph.valueInfos, ...graph.inputs]);
    this.#typedOutputs = namesOf(graph.outputs.filter(({ type }) => type !== undefined));
  }

  run(): Graph {
    const isModel = this.parent === undefined;
    if (isModel) this.#castInputs();
    const outputCasts = isModel ? this.#outputCasts() : [];
    const nodes = this.graph.nodes.map((node) => this.#node(node));
    return {
      ...this.graph,
      nodes: [...nodes, ...this.#casts, ...outputCasts],
      initializers: this.graph.initializers.map((tensor) => this.#initializer(tensor)),
      inputs: this.graph.inputs.map((info) => (this.#staysFloat(info) ? info : this.#info(info))),
      outputs: this.graph.outputs.map((info) => this.#output(info)),
      valueInfos: this.graph.valueInfos
        .filter(({ type }) => type?.tensor !== undefined)
        .map((info) => this.#inner(info)),
    };
  }

  /** What a name of the old graph is called in the new one. */
  nameOf(name: string): string {
    return this.#renamed.get(name) ?? (this.#kinds.has(name) ? name : (this.parent?.nameOf(name) ?? name));
  }

  /** What a value is by now; undefined where that is not known. */
  stateOf(name: string): State | undefined {
    if (this.#floats.has(name)) return this.#kept.has(name) ? 'float' : 'half';
    const kind = this.#kinds.get(name);
    return kind === undefined ? this.parent?.stateOf(name) : kind.isFloat ? 'half' : 'other';
  }

  /** Initializers that nothing but nodes in f32 takes. */
  #keptInitializers(): ReadonlySet<string> {
    const kept = new Set<string>();
    for (const node of this.#blocked) for (const name of node.inputs) if (this.#floats.has(name)) kept.add(name);
    for (const node of this.graph.nodes) {
      if (!this.#blocked.has(node)) for (const name of node.inputs) kept.delete(name);
      for (const name of capturesOfNode(node)) kept.delete(name);
    }
    for (const { name } of this.graph.outputs) kept.delete(name);
    return kept;
  }

  /** The model's own inputs keep their type, but for those that only name initializers. */
  #staysFloat({ name }: ValueInfo): boolean {
    return this.parent === undefined && !this.#initializers.has(name);
  }

  #castInputs(): void {
    const used = new Set(this.graph.nodes.flatMap((node) => [...node.inputs, ...capturesOfNode(node)]));
    for (const info of this.graph.inputs) {
      if (!isFloat(info) || !this.#staysFloat(info) || !used.has(info.name)) continue;
      const half = this.context.names.freshValue(`${info.name}_fp16`);
      this.#renamed.set(info.name, half);
      this.#casts.push(this.#cast(info.name, half, `${info.name}_fp16`, DataType.float16));
    }
  }

  /** Conversions of the model's outputs; what gives them gives another value now. */
  #outputCasts(): readonly Node[] {
    const outputs = this.graph.outputs.filter((info) => isFloat(info) && !this.#renamed.has(info.name));
    const producers = new Map(this.graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
    return [...namesOf(outputs)].flatMap((name) => {
      const producer = producers.get(name);
      if (producer !== undefined && this.#blocked.has(producer)) {
        this.#halfOutputs.add(name);
        return [];
      }
      if (producer === undefined && !this.#floats.has(name)) return [];
      const half = this.context.names.freshValue(`${name}_fp16`);
      this.#renamed.set(name, half);
      const last = Math.max(0, (producer?.outputs.length ?? 1) - 1);
      return [this.#cast(half, name, `${name}_fp16_input_cast${last}`, DataType.float)];
    });
  }

  #node(node: Node): Node {
    const inputs = node.inputs.map((name) => this.nameOf(name));
    const outputs = node.outputs.map((name) => this.nameOf(name));
    if (this.#blocked.has(node)) return this.#blockedNode(node);
    const inner = withGraphs({ ...node, inputs, outputs }, (graph) => new HalvedGraph(graph, this, this.context).run());
    const attributes = inner.attributes.map((it) => this.#attribute(it));
    return { ...inner, attributes: isEmptySequence(node) ? [intAttribute('dtype', DataType.float16)] : attributes };
  }

  #attribute(attribute: Attribute): Attribute {
    const { tensor, tensors } = attribute;
    const halve = (it: OnnxTensor): OnnxTensor => (it.dataType === DataType.float ? this.context.halve(it) : it);
    return { ...attribute, tensor: tensor === undefined ? undefined : halve(tensor), tensors: tensors.map(halve) };
  }

  #blockedNode(node: Node): Node {
    const inputs = node.inputs.map((name, index) => {
      if (!this.#needsFloat(node, name)) return this.nameOf(name);
      const float = this.context.names.freshValue(`${node.name ?? ''}_input_cast_${index}`);
      this.#casts.push(this.#cast(this.nameOf(name), float, `${node.name ?? ''}_input_cast${index}`, DataType.float));
      return float;
    });
    const outputs = node.outputs.map((name, index) => {
      if (name === '' || !this.#givesFloat(node, name)) return name;
      const float = this.context.names.freshValue(`${node.name ?? ''}_output_cast_${index}`);
      this.#casts.push(this.#cast(float, name, `${node.name ?? ''}_output_cast${index}`, DataType.float16));
      return float;
    });
    return { ...node, inputs, outputs };
  }

  /** Whether a node in f32 has to get an input converted. */
  #needsFloat(node: Node, name: string): boolean {
    if (name === '') return false;
    if (node.opType === 'Cast') return this.#isConvertedForCast(name);
    const state = this.stateOf(name);
    if (state === undefined) throw unknownType(node, name);
    return state === 'half';
  }

  /** A Cast takes whatever there is. It gets f32 where the script knows that it did before. */
  #isConvertedForCast(name: string): boolean {
    const kind = this.#kinds.get(name);
    if (kind === undefined || !kind.isFloat || !kind.isPlain || this.#initializers.has(name)) return false;
    return this.#told.has(name) || !this.#typedOutputs.has(name);
  }

  #givesFloat(node: Node, name: string): boolean {
    const kind = this.#kinds.get(name);
    if (kind === undefined) throw unknownType(node, name);
    return kind.isFloat;
  }

  #cast(from: string, to: string, name: string, type: DataType): Node {
    const attributes = [intAttribute('to', type)];
    return nodeOf('Cast', [from], [to], { name: this.context.names.freshNode(name), attributes });
  }

  #initializer(tensor: OnnxTensor): OnnxTensor {
    const { name = '' } = tensor;
    if (!this.#floats.has(name) || this.#kept.has(name)) return tensor;
    return { ...this.context.halve(tensor), name: this.nameOf(name) };
  }

  #output(info: ValueInfo): ValueInfo {
    if (this.parent === undefined) return this.#halfOutputs.has(info.name) ? halved(info) : info;
    const isOwn = this.#kinds.has(info.name);
    return this.#info(isOwn ? info : { ...info, name: this.nameOf(info.name) });
  }

  /** A value of a branch or body. What is no tensor may do without a type there. */
  #info(info: ValueInfo): ValueInfo {
    return info.type !== undefined && info.type.tensor === undefined ? { ...info, type: undefined } : this.#inner(info);
  }

  #inner(info: ValueInfo): ValueInfo {
    const isInput = this.#inputs.has(info.name) && this.#staysFloat(info);
    const isOutside = this.parent === undefined && (this.#renamed.has(info.name) || isInput);
    return isOutside || this.#kept.has(info.name) ? info : halved(info);
  }
}

const namesOf = (values: readonly ValueInfo[]): ReadonlySet<string> => new Set(values.map(({ name }) => name));

const isFloat = ({ type }: ValueInfo): boolean => type?.tensor?.elementType === DataType.float;

/** The same value in float16, where it was f32. */
function halved(info: ValueInfo): ValueInfo {
  if (info.type?.tensor === undefined || !isFloat(info)) return info;
  return { ...info, type: { ...info.type, tensor: { ...info.type.tensor, elementType: DataType.float16 } } };
}

const unknownType = ({ opType, name = '' }: Node, value: string): QuantizeError =>
  new QuantizeError('unsupported_model', {
    detail: `the type of ${quoted(value)} at the ${opType} ${quoted(name)} is not known, which float16 needs; export it with the types of its values`,
  });
