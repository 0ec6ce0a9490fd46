/** One graph while it is quantized to 8 bits: what its values are called once they are quantized, and its new nodes. */

import type { Codec } from '../../../codecs/codec.js';
import { DataType } from '../../../containers/onnx/data-types.js';
import {
  nodeOf,
  planeTensor,
  type Encoding,
  type Graph,
  type Node,
  type OnnxTensor,
} from '../../../containers/onnx/graph.js';
import { Taken, type Names } from '../names.js';
import type { GraphKinds } from '../value-kinds.js';

/** How weights are stored; activations are always uint8. */
export type Sign = 'int8' | 'uint8';

/** Whether weights are quantized, and the rule that says so. */
export interface Decision {
  readonly quantized: boolean;
  readonly rule: string | null;
}

/** What all graphs of a model have in common. */
export interface Int8Settings {
  readonly sign: Sign;
  /** Codecs of weights with a scale for the whole tensor. */
  readonly codecs: Readonly<Record<Sign, Codec>>;
  readonly decide: (weights: OnnxTensor) => Decision;
  readonly names: Names;
  /** Initializers whose two dimensions are to be exchanged. */
  readonly transposed: ReadonlySet<OnnxTensor>;
  readonly kinds: ReadonlyMap<Graph, GraphKinds>;
}

/** Names of a value's levels, scale and zero point. */
export interface Quantized {
  readonly levels: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

/** A graph and those that it lies in. Nodes are added in an order in which they can run. */
export class Scope {
  readonly nodes: Node[] = [];
  /** Products of two scales that there are, by what they are products of. */
  readonly products = new Map<string, string>();
  readonly productNames = new Taken();
  readonly #initializers: Map<string, OnnxTensor>;
  readonly #quantized = new Map<string, Quantized>();
  /** Weights of an LSTM. */
  readonly #turned = new Set<string>();
  /** Names that can be read in this graph as floats, or whatever they were. */
  readonly #available: Set<string>;
  readonly #inputs: ReadonlySet<string>;
  /** Names that a node has read by now. */
  readonly #read = new Set<string>();
  readonly #made: ReadonlySet<string>;

  constructor(
    readonly graph: Graph,
    readonly settings: Int8Settings,
    readonly parent: Scope | undefined,
  ) {
    this.#initializers = new Map(graph.initializers.map((tensor) => [tensor.name ?? '', tensor]));
    const inputs = graph.inputs.map(({ name }) => name);
    this.#inputs = new Set(inputs);
    this.#available = new Set(inputs.filter((name) => !this.#initializers.has(name)));
    this.#made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  }

  /** Initializers as they are now: those of the graph, and those that were added. */
  get initializers(): readonly OnnxTensor[] {
    return [...this.#initializers.values()];
  }

  add(...nodes: readonly Node[]): void {
    this.nodes.push(...nodes);
    for (const node of nodes) {
      for (const name of node.inputs) this.#read.add(name);
      for (const name of node.outputs) this.#available.add(name);
    }
  }

  /** Adds a node with graphs in it, for which `names` have to be there as they were. */
  addWith(names: Iterable<string>, node: Node): void {
    for (const name of names) {
      if (!this.#initializers.has(name)) this.restore(name);
      this.#read.add(name);
    }
    this.add(node);
  }

  addInitializer(tensor: OnnxTensor): void {
    this.#initializers.set(tensor.name ?? '', tensor);
  }

  /** The initializer of that name, here or outside; undefined where the name is another value's. */
  initializer(name: string): OnnxTensor | undefined {
    const tensor = this.#initializers.get(name);
    return tensor ?? (this.#isLocal(name) ? undefined : this.parent?.initializer(name));
  }

  /** Whether a value is known to be of f32. */
  isFloat(name: string): boolean {
    const kind = this.settings.kinds.get(this.graph)?.get(name);
    return kind === undefined ? (this.parent?.isFloat(name) ?? false) : kind.isFloat;
  }

  /** The initializer's decision; undefined where `name` is none, or one that nothing can be made of. */
  decisionOn(name: string): Decision | undefined {
    const tensor = this.initializer(name);
    const isWeights = tensor?.dataType === DataType.float && tensor.data.kind !== 'none' && !tensor.dims.includes(0);
    return isWeights && tensor.data.kind !== 'plane' ? this.settings.decide(tensor) : undefined;
  }

  /** What `name` is called when quantized, here or outside; undefined where it is not. */
  findQuantized(name: string): Quantized | undefined {
    return this.#quantized.get(name) ?? (this.#isLocal(name) ? undefined : this.parent?.findQuantized(name));
  }

  remember(name: string, quantized: Quantized): void {
    this.#quantized.set(name, quantized);
  }

  /**
   * Quantizes a value where it is made: an initializer once and for all, as `sign`; any other when the model runs. What is
   * quantized already stays as it is.
   */
  quantize(name: string, sign: Sign): Quantized {
    const known = this.#quantized.get(name);
    if (known !== undefined) return known;
    const weights = this.#initializers.get(name);
    if (weights !== undefined) return this.#quantizeWeights(name, weights, sign);
    if (this.parent !== undefined && !this.#isLocal(name)) return this.parent.quantize(name, sign);
    return this.#quantizeWhenRun(name);
  }

  /** Whether an LSTM has weights quantized in its own order, which nothing else takes. */
  isTurned(name: string): boolean {
    return this.#turned.has(name) || (!this.#isLocal(name) && this.parent?.isTurned(name) === true);
  }

  /** Whether `quantizeTurned` can be asked for it: weights here, of one direction, that nothing else has quantized. */
  canTurn(name: string): boolean {
    const dims = this.#initializers.get(name)?.dims ?? [];
    const isFree = this.#turned.has(name) || !this.#quantized.has(name);
    return isFree && dims.length === 3 && dims[0] === 1 && this.decisionOn(name)?.quantized === true;
  }

  /** Quantizes an LSTM's weights to int8, [1, rows, columns] as [1, columns, rows], with a scale for the direction. */
  quantizeTurned(name: string): Quantized {
    const known = this.#quantized.get(name);
    const weights = this.#initializers.get(name);
    if (known !== undefined) return known;
    if (weights === undefined) throw new RangeError(`${name} is no initializer`);
    const [, rows = 0, columns = 0] = weights.dims;
    this.#turned.add(name);
    const matrix = { ...weights, dims: [rows, columns] };
    return this.#addWeights(name, 'int8', { weights: matrix, view: 'transposed' }, [1, columns, rows], [1]);
  }

  /**
   * Restores a value that only lies quantized here, for a node that takes floats. An initializer that a node has taken as it
   * was stays, and is taken again.
   */
  restore(name: string): void {
    const quantized = this.#quantized.get(name);
    if (quantized === undefined || this.#available.has(name) || this.#read.has(name) || this.#turned.has(name)) return;
    const { levels, scale, zeroPoint } = quantized;
    this.add(nodeOf('DequantizeLinear', [levels, scale, zeroPoint], [name], { name: `${name}_DequantizeLinear` }));
  }

  #isLocal(name: string): boolean {
    return this.#made.has(name) || this.#inputs.has(name) || this.#available.has(name);
  }

  #quantizeWeights(name: string, weights: OnnxTensor, sign: Sign): Quantized {
    const isTransposed = this.settings.transposed.has(weights);
    const dims = isTransposed ? [...weights.dims].reverse() : weights.dims;
    return this.#addWeights(name, sign, { weights, view: isTransposed ? 'transposed' : 'stored' }, dims, []);
  }

  #addWeights(
    name: string,
    sign: Sign,
    seen: Pick<Encoding, 'weights' | 'view'>,
    dims: readonly number[],
    scaleDims: readonly number[],
  ): Quantized {
    const names = this.#namesFor(name);
    const { rule } = this.settings.decide(seen.weights);
    const encoding: Encoding = { ...seen, codec: this.settings.codecs[sign], rule };
    const type = sign === 'int8' ? DataType.int8 : DataType.uint8;
    this.addInitializer(planeTensor(names.scale, DataType.float, scaleDims, encoding, 'scales'));
    this.addInitializer(planeTensor(names.zeroPoint, type, scaleDims, encoding, 'zero_points'));
    this.addInitializer(planeTensor(names.levels, type, dims, encoding, 'levels'));
    this.#quantized.set(name, names);
    return names;
  }

  #quantizeWhenRun(name: string): Quantized {
    const names = this.#namesFor(name);
    const outputs = [names.levels, names.scale, names.zeroPoint];
    this.add(nodeOf('DynamicQuantizeLinear', [name], outputs, { name: `${name}_QuantizeLinear` }));
    this.#quantized.set(name, names);
    return names;
  }

  #namesFor(name: string): Quantized {
    const { names } = this.settings;
    return {
      levels: names.free(`${name}_quantized`),
      scale: names.free(`${name}_scale`),
      zeroPoint: names.free(`${name}_zero_point`),
    };
  }
}
