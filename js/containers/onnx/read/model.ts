import type { ByteSource } from '../../../io/byte-io.js';
import type {
  Attribute,
  Dimension,
  Graph,
  Model,
  ModelFunction,
  Node,
  OpsetImport,
  TensorShape,
  TensorType,
  ValueInfo,
  ValueType,
} from '../graph.js';
import { Fields } from './message.js';
import { externalOf, tensorOfRaw, type TensorContext } from './tensor.js';
import { FIELDS, SCHEMAS, type MessageName } from '../schema.js';
import type { RawMessage } from './wire.js';

/** The model that a file's fields say. Throws `invalid_file`. */
export const modelOf = (message: RawMessage, context: TensorContext): Model => new ModelReader(context).model(message);

class ModelReader {
  readonly #context: TensorContext;

  constructor(context: TensorContext) {
    this.#context = context;
  }

  model(message: RawMessage): Model {
    const fields = this.#fields(message, 'model');
    const graph = fields.message(FIELDS.model.graph);
    if (graph === undefined) throw fields.fault('has no graph');
    return {
      irVersion: Number(fields.varint(FIELDS.model.irVersion) ?? 0n),
      graph: this.#graph(graph),
      opsetImports: fields.messages(FIELDS.model.opsetImport).map((one) => this.#opset(one)),
      functions: fields.messages(FIELDS.model.functions).map((one) => this.#function(one)),
      rest: fields.rest,
    };
  }

  #opset(message: RawMessage): OpsetImport {
    const fields = this.#fields(message, 'opset');
    const domain = fields.text(FIELDS.opset.domain);
    return { domain, version: Number(fields.varint(FIELDS.opset.version) ?? 0n), rest: fields.rest };
  }

  #function(message: RawMessage): ModelFunction {
    const fields = this.#fields(message, 'function');
    return { nodes: fields.messages(FIELDS.function.node).map((one) => this.#node(one)), rest: fields.rest };
  }

  #graph(message: RawMessage): Graph {
    const fields = this.#fields(message, 'graph');
    const values = (number: number): ValueInfo[] => fields.messages(number).map((one) => this.#valueInfo(one));
    return {
      name: fields.text(FIELDS.graph.name),
      nodes: fields.messages(FIELDS.graph.node).map((one) => this.#node(one)),
      initializers: fields.messages(FIELDS.graph.initializer).map((one) => tensorOfRaw(one, this.#context)),
      inputs: values(FIELDS.graph.input),
      outputs: values(FIELDS.graph.output),
      valueInfos: values(FIELDS.graph.valueInfo),
      rest: fields.rest,
    };
  }

  #node(message: RawMessage): Node {
    const fields = this.#fields(message, 'node');
    return {
      name: fields.text(FIELDS.node.name),
      opType: fields.text(FIELDS.node.opType) ?? '',
      domain: fields.text(FIELDS.node.domain),
      inputs: fields.texts(FIELDS.node.input),
      outputs: fields.texts(FIELDS.node.output),
      attributes: fields.messages(FIELDS.node.attribute).map((one) => this.#attribute(one)),
      rest: fields.rest,
    };
  }

  #attribute(message: RawMessage): Attribute {
    const fields = this.#fields(message, 'attribute');
    const [tensor, graph] = [fields.message(FIELDS.attribute.tensor), fields.message(FIELDS.attribute.graph)];
    const type = fields.varint(FIELDS.attribute.type);
    return {
      name: fields.text(FIELDS.attribute.name) ?? '',
      type: type === undefined ? undefined : Number(type),
      int: fields.varint(FIELDS.attribute.int),
      ints: fields.varints(FIELDS.attribute.ints),
      tensor: tensor === undefined ? undefined : tensorOfRaw(tensor, this.#context),
      graph: graph === undefined ? undefined : this.#graph(graph),
      tensors: fields.messages(FIELDS.attribute.tensors).map((one) => tensorOfRaw(one, this.#context)),
      graphs: fields.messages(FIELDS.attribute.graphs).map((one) => this.#graph(one)),
      rest: fields.rest,
    };
  }

  #valueInfo(message: RawMessage): ValueInfo {
    const fields = this.#fields(message, 'valueInfo');
    const type = fields.message(FIELDS.valueInfo.type);
    return {
      name: fields.text(FIELDS.valueInfo.name) ?? '',
      type: type === undefined ? undefined : this.#type(type),
      rest: fields.rest,
    };
  }

  #type(message: RawMessage): ValueType {
    const fields = this.#fields(message, 'type');
    const tensor = fields.message(FIELDS.type.tensor);
    return { tensor: tensor === undefined ? undefined : this.#tensorType(tensor), rest: fields.rest };
  }

  #tensorType(message: RawMessage): TensorType {
    const fields = this.#fields(message, 'tensorType');
    const elementType = fields.varint(FIELDS.tensorType.elementType);
    const shape = fields.message(FIELDS.tensorType.shape);
    return {
      elementType: elementType === undefined ? undefined : Number(elementType),
      shape: shape === undefined ? undefined : this.#shape(shape),
      rest: fields.rest,
    };
  }

  #shape(message: RawMessage): TensorShape {
    const fields = this.#fields(message, 'shape');
    const dimensions = fields.messages(FIELDS.shape.dimension).map((one): Dimension => {
      const dimension = this.#fields(one, 'dimension');
      return { size: dimension.varint(FIELDS.dimension.size), rest: dimension.rest };
    });
    return { dimensions, rest: fields.rest };
  }

  #fields(message: RawMessage, name: MessageName): Fields {
    return new Fields(message, SCHEMAS[name].title, this.#context.source);
  }
}

/** All tensors of a message, however deep they lie. */
function rawTensors(message: RawMessage, name: MessageName): readonly RawMessage[] {
  if (name === 'tensor') return [message];
  const { messages } = SCHEMAS[name];
  return message.fields.flatMap(({ number, value }) => {
    const inner = messages[number];
    return value.kind === 'message' && inner !== undefined ? rawTensors(value.message, inner) : [];
  });
}

/** What the model calls the files in which elements of its tensors lie, each once. */
export function externalPaths(model: RawMessage, source: Pick<ByteSource, 'name'>): readonly string[] {
  const paths = rawTensors(model, 'model').map((tensor) => externalOf(new Fields(tensor, 'a tensor', source))?.path);
  return [...new Set(paths.filter((path) => path !== undefined))];
}
