import protobuf from 'protobufjs';

/**
 * The messages of an ONNX model, as far as comparing takes them: fields by name, each with its number and type. What is not
 * here protobufjs skips. From onnx.proto of ONNX 1.20 (numbers and names are facts of the format).
 */
const kMessages = {
  Model: {
    irVersion: [1, 'int64'],
    opsetImport: [8, 'Opset[]'],
    graph: [7, 'Graph'],
    functions: [25, 'Function[]'],
  },
  Opset: { domain: [1, 'string'], version: [2, 'int64'] },
  Function: {
    name: [1, 'string'],
    domain: [10, 'string'],
    input: [4, 'string[]'],
    output: [5, 'string[]'],
    node: [7, 'Node[]'],
  },
  Graph: {
    node: [1, 'Node[]'],
    name: [2, 'string'],
    initializer: [5, 'Tensor[]'],
    input: [11, 'ValueInfo[]'],
    output: [12, 'ValueInfo[]'],
    valueInfo: [13, 'ValueInfo[]'],
  },
  Node: {
    input: [1, 'string[]'],
    output: [2, 'string[]'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'Attribute[]'],
    domain: [7, 'string'],
  },
  Attribute: {
    name: [1, 'string'],
    type: [20, 'int32'],
    refAttrName: [21, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'Tensor'],
    g: [6, 'Graph'],
    floats: [7, 'float[]'],
    ints: [8, 'int64[]'],
    strings: [9, 'bytes[]'],
    tensors: [10, 'Tensor[]'],
    graphs: [11, 'Graph[]'],
  },
  Tensor: {
    dims: [1, 'int64[]'],
    dataType: [2, 'int32'],
    floatData: [4, 'float[]'],
    int32Data: [5, 'int32[]'],
    stringData: [6, 'bytes[]'],
    int64Data: [7, 'int64[]'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    doubleData: [10, 'double[]'],
    uint64Data: [11, 'uint64[]'],
    externalData: [13, 'Pair[]'],
    dataLocation: [14, 'int32'],
  },
  Pair: { key: [1, 'string'], value: [2, 'string'] },
  ValueInfo: { name: [1, 'string'], type: [2, 'Type'] },
  Type: { tensorType: [1, 'TensorType'] },
  TensorType: { elemType: [1, 'int32'], shape: [2, 'Shape'] },
  Shape: { dim: [1, 'Dimension[]'] },
  Dimension: { dimValue: [1, 'int64'] },
};

const kRoot = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(kMessages).map(([message, fields]) => [
      message,
      { fields: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, declare(...field)])) },
    ]),
  ),
});

const kModel = kRoot.lookupType('Model');

function declare(id, type) {
  return type.endsWith('[]') ? { rule: 'repeated', type: type.slice(0, -2), id } : { type, id };
}

/**
 * A model as plain objects, read by protobufjs: nothing of the package takes part in it. Integers of 64 bits are decimal
 * texts, absent fields have their defaults.
 *
 * @param {Uint8Array} bytes a whole `.onnx` file
 */
export function decodeModel(bytes) {
  return kModel.toObject(kModel.decode(bytes), { longs: String, defaults: true, arrays: true });
}

/** The same the other way; what the schema has not is lost. */
export const encodeModel = (model) => kModel.encode(kModel.fromObject(model)).finish();
