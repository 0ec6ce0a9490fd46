import type {
  Attribute,
  Dimension,
  Graph,
  Message,
  Model,
  Node,
  OnnxTensor,
  OpsetImport,
  TensorShape,
  TensorType,
  ValueInfo,
  ValueType,
} from '../graph.js';
import { FIELDS, type MessageName } from '../schema.js';
import {
  carriedField,
  encoded,
  messageField,
  optionalText,
  optionalVarint,
  textField,
  varintField,
  type Encoded,
  type WrittenField,
} from './wire.js';

/** How the tensors of a model are written: with their elements, with room for them, or with the place where they lie. */
export type TensorWriter = (tensor: OnnxTensor, isInitializer: boolean) => Encoded;

/** A model as bytes, field by field in the order of their numbers, as Google's own writers have it. */
export const encodeModel = (model: Model, tensorOf: TensorWriter): Encoded => new ModelWriter(tensorOf).model(model);

class ModelWriter {
  readonly #tensorOf: TensorWriter;

  constructor(tensorOf: TensorWriter) {
    this.#tensorOf = tensorOf;
  }

  model(model: Model): Encoded {
    const { irVersion, graph, opsetImports, functions } = model;
    return this.#message('model', model, [
      varintField(FIELDS.model.irVersion, irVersion),
      messageField(FIELDS.model.graph, this.#graph(graph)),
      ...opsetImports.map((one) => messageField(FIELDS.model.opsetImport, this.#opset(one))),
      ...functions.map((one) =>
        messageField(
          FIELDS.model.functions,
          this.#message('function', one, this.#nodes(FIELDS.function.node, one.nodes)),
        ),
      ),
    ]);
  }

  #opset(opset: OpsetImport): Encoded {
    return this.#message('opset', opset, [
      ...optionalText(FIELDS.opset.domain, opset.domain),
      varintField(FIELDS.opset.version, opset.version),
    ]);
  }

  #graph(graph: Graph): Encoded {
    const values = (number: number, all: readonly ValueInfo[]): WrittenField[] =>
      all.map((one) => messageField(number, this.#valueInfo(one)));
    return this.#message('graph', graph, [
      ...this.#nodes(FIELDS.graph.node, graph.nodes),
      ...optionalText(FIELDS.graph.name, graph.name),
      ...graph.initializers.map((one) => messageField(FIELDS.graph.initializer, this.#tensorOf(one, true))),
      ...values(FIELDS.graph.input, graph.inputs),
      ...values(FIELDS.graph.output, graph.outputs),
      ...values(FIELDS.graph.valueInfo, graph.valueInfos),
    ]);
  }

  #nodes(number: number, nodes: readonly Node[]): WrittenField[] {
    return nodes.map((node) => messageField(number, this.#node(node)));
  }

  #node(node: Node): Encoded {
    return this.#message('node', node, [
      ...node.inputs.map((name) => textField(FIELDS.node.input, name)),
      ...node.outputs.map((name) => textField(FIELDS.node.output, name)),
      ...optionalText(FIELDS.node.name, node.name),
      textField(FIELDS.node.opType, node.opType),
      ...node.attributes.map((one) => messageField(FIELDS.node.attribute, this.#attribute(one))),
      ...optionalText(FIELDS.node.domain, node.domain),
    ]);
  }

  #attribute(attribute: Attribute): Encoded {
    const { name, type, int, ints, tensor, graph, tensors, graphs } = attribute;
    return this.#message('attribute', attribute, [
      textField(FIELDS.attribute.name, name),
      ...optionalVarint(FIELDS.attribute.int, int),
      ...(tensor === undefined ? [] : [messageField(FIELDS.attribute.tensor, this.#tensorOf(tensor, false))]),
      ...(graph === undefined ? [] : [messageField(FIELDS.attribute.graph, this.#graph(graph))]),
      ...ints.map((value) => varintField(FIELDS.attribute.ints, value)),
      ...tensors.map((one) => messageField(FIELDS.attribute.tensors, this.#tensorOf(one, false))),
      ...graphs.map((one) => messageField(FIELDS.attribute.graphs, this.#graph(one))),
      ...optionalVarint(FIELDS.attribute.type, type),
    ]);
  }

  #valueInfo(value: ValueInfo): Encoded {
    return this.#message('valueInfo', value, [
      textField(FIELDS.valueInfo.name, value.name),
      ...(value.type === undefined ? [] : [messageField(FIELDS.valueInfo.type, this.#type(value.type))]),
    ]);
  }

  #type(type: ValueType): Encoded {
    const { tensor } = type;
    return this.#message(
      'type',
      type,
      tensor === undefined ? [] : [messageField(FIELDS.type.tensor, this.#tensorType(tensor))],
    );
  }

  #tensorType(type: TensorType): Encoded {
    return this.#message('tensorType', type, [
      ...optionalVarint(FIELDS.tensorType.elementType, type.elementType),
      ...(type.shape === undefined ? [] : [messageField(FIELDS.tensorType.shape, this.#shape(type.shape))]),
    ]);
  }

  #shape(shape: TensorShape): Encoded {
    const dimension = (one: Dimension): Encoded =>
      this.#message('dimension', one, optionalVarint(FIELDS.dimension.size, one.size));
    return this.#message(
      'shape',
      shape,
      shape.dimensions.map((one) => messageField(FIELDS.shape.dimension, dimension(one))),
    );
  }

  #message(name: MessageName, { rest }: Message, fields: readonly WrittenField[]): Encoded {
    return encoded(name, [...fields, ...rest.map(carriedField)]);
  }
}
