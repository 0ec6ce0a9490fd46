import protobuf from 'protobufjs';

/** The part of onnx.proto3 that a graph of one node needs. */
const ONNX = protobuf.Root.fromJSON({
  nested: {
    Attribute: {
      fields: { name: { type: 'string', id: 1 }, i: { type: 'int64', id: 3 }, type: { type: 'int32', id: 20 } },
    },
    Node: {
      fields: {
        input: { rule: 'repeated', type: 'string', id: 1 },
        output: { rule: 'repeated', type: 'string', id: 2 },
        opType: { type: 'string', id: 4 },
        attribute: { rule: 'repeated', type: 'Attribute', id: 5 },
      },
    },
    Dimension: { fields: { dimValue: { type: 'int64', id: 1 } } },
    Shape: { fields: { dim: { rule: 'repeated', type: 'Dimension', id: 1 } } },
    TensorType: { fields: { elemType: { type: 'int32', id: 1 }, shape: { type: 'Shape', id: 2 } } },
    Type: { fields: { tensorType: { type: 'TensorType', id: 1 } } },
    ValueInfo: { fields: { name: { type: 'string', id: 1 }, type: { type: 'Type', id: 2 } } },
    Graph: {
      fields: {
        node: { rule: 'repeated', type: 'Node', id: 1 },
        name: { type: 'string', id: 2 },
        input: { rule: 'repeated', type: 'ValueInfo', id: 11 },
        output: { rule: 'repeated', type: 'ValueInfo', id: 12 },
      },
    },
    OperatorSet: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
    Model: {
      fields: {
        irVersion: { type: 'int64', id: 1 },
        graph: { type: 'Graph', id: 7 },
        opsetImport: { rule: 'repeated', type: 'OperatorSet', id: 8 },
      },
    },
  },
});

const FLOAT = 1;
const UINT8 = 2;
const INTEGER_ATTRIBUTE = 2;

const value = (name, elemType, sizes) => ({
  name,
  type: { tensorType: { elemType, shape: { dim: sizes.map((dimValue) => ({ dimValue })) } } },
});

/** A graph of one QuantizeLinear to 8 bits, with a scale and a zero point for each run of `block` weights of a row. */
export function quantizeLinearModel(rows, columns, block) {
  const Model = ONNX.lookupType('Model');
  const groups = columns / block;
  return Model.encode(
    Model.fromObject({
      irVersion: 10,
      opsetImport: [{ domain: '', version: 21 }],
      graph: {
        name: 'quantize',
        node: [
          {
            input: ['x', 'scale', 'zero_point'],
            output: ['y'],
            opType: 'QuantizeLinear',
            attribute: [
              { name: 'axis', i: 1, type: INTEGER_ATTRIBUTE },
              { name: 'block_size', i: block, type: INTEGER_ATTRIBUTE },
            ],
          },
        ],
        input: [
          value('x', FLOAT, [rows, columns]),
          value('scale', FLOAT, [rows, groups]),
          value('zero_point', UINT8, [rows, groups]),
        ],
        output: [value('y', UINT8, [rows, columns])],
      },
    }),
  ).finish();
}
