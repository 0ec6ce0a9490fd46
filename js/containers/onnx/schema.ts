/** Which fields of ONNX's messages are looked into (onnx-ml.proto); all others are carried as they are. */

/** The messages that are looked into. */
export type MessageName =
  | 'model'
  | 'opset'
  | 'graph'
  | 'function'
  | 'node'
  | 'attribute'
  | 'tensor'
  | 'valueInfo'
  | 'type'
  | 'tensorType'
  | 'shape'
  | 'dimension'
  | 'entry';

export interface Schema {
  /** How sentences call it. */
  readonly title: string;
  /** Fields that are messages, by their numbers. */
  readonly messages: Readonly<Record<number, MessageName>>;
  /** Fields with the elements of tensors: they stay in the file. */
  readonly data: readonly number[];
  /** Fields of numbers that are read one by one, and may lie packed. */
  readonly numbers?: readonly number[];
  /** The highest number of a field that onnx.proto knows, and those below that it does not: what it does not know comes last. */
  readonly highest: number;
  readonly unknown: readonly number[];
}

const NONE = { messages: {}, data: [], unknown: [] } as const;

export const SCHEMAS: Readonly<Record<MessageName, Schema>> = {
  model: {
    title: 'the model',
    messages: { 7: 'graph', 8: 'opset', 25: 'function' },
    data: [],
    highest: 26,
    unknown: [9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 21, 22, 23, 24],
  },
  opset: { ...NONE, title: 'an opset', highest: 2 },
  graph: {
    title: 'a graph',
    messages: { 1: 'node', 5: 'tensor', 11: 'valueInfo', 12: 'valueInfo', 13: 'valueInfo' },
    data: [],
    highest: 16,
    unknown: [3, 4, 6, 7, 8, 9],
  },
  function: { title: 'a function', messages: { 7: 'node' }, data: [], highest: 14, unknown: [2, 3] },
  node: { title: 'a node', messages: { 5: 'attribute' }, data: [], highest: 10, unknown: [] },
  attribute: {
    title: 'an attribute',
    messages: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph' },
    data: [],
    numbers: [8],
    highest: 23,
    unknown: [12, 16, 17, 18, 19],
  },
  tensor: {
    title: 'a tensor',
    messages: {},
    data: [4, 5, 7, 9, 10, 11],
    numbers: [1],
    highest: 16,
    unknown: [15],
  },
  valueInfo: { title: 'a value', messages: { 2: 'type' }, data: [], highest: 4, unknown: [] },
  type: { title: 'a type', messages: { 1: 'tensorType' }, data: [], highest: 9, unknown: [2, 3] },
  tensorType: { title: 'a type', messages: { 2: 'shape' }, data: [], highest: 2, unknown: [] },
  shape: { title: 'a shape', messages: { 1: 'dimension' }, data: [], highest: 1, unknown: [] },
  dimension: { ...NONE, title: 'a dimension', highest: 3 },
  entry: { ...NONE, title: 'an entry', highest: 2 },
};

/** Numbers of the fields that have names here. */
export const FIELDS = {
  model: { irVersion: 1, graph: 7, opsetImport: 8, functions: 25 },
  opset: { domain: 1, version: 2 },
  graph: { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13 },
  function: { node: 7 },
  node: { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 },
  attribute: { name: 1, float: 2, int: 3, tensor: 5, graph: 6, ints: 8, tensors: 10, graphs: 11, type: 20 },
  tensor: { dims: 1, dataType: 2, name: 8, externalData: 13, dataLocation: 14 },
  valueInfo: { name: 1, type: 2 },
  type: { tensor: 1 },
  tensorType: { elementType: 1, shape: 2 },
  shape: { dimension: 1 },
  dimension: { size: 1 },
  entry: { key: 1, value: 2 },
} as const;

/** TensorProto.DataLocation of elements that lie in another file. */
export const EXTERNAL = 1n;
