/** Protocol buffers by hand, for files that no library would write. */

/** A varint, as bytes. */
export function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

/** A field with a length: of text, or of bytes. */
export const sized = (number, content) => {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
};

/** A field of a number. */
export const numbered = (number, value) => Buffer.concat([varint(number * 8), varint(value)]);

/** A message as the bytes of its fields. */
export const message = (...fields) => Buffer.concat(fields);

/** A tensor of f32 with its elements in raw_data. */
export const floatTensor = (name, dims, values) =>
  message(
    ...dims.map((size) => numbered(1, size)),
    numbered(2, 1),
    sized(8, name),
    sized(9, Buffer.from(Float32Array.from(values).buffer)),
  );

/** A node: inputs, outputs and the operator's name. */
export const node = (opType, inputs, outputs, ...more) =>
  message(...inputs.map((name) => sized(1, name)), ...outputs.map((name) => sized(2, name)), sized(4, opType), ...more);

/** A value of f32 whose rank is said, but no size. */
export const value = (name, rank = 2) =>
  message(
    sized(1, name),
    sized(2, sized(1, message(numbered(1, 1), sized(2, message(...Array.from({ length: rank }, () => sized(1, ''))))))),
  );

/**
 * A model whose graph has these fields.
 *
 * @param {Buffer[]} graph fields of GraphProto
 * @param {Buffer[]} more fields of ModelProto behind the graph
 */
export const model = (graph, more = [], opset = 17) =>
  message(numbered(1, 8), sized(7, message(...graph)), sized(8, message(sized(1, ''), numbered(2, opset))), ...more);

/** A model with one MatMul of `x` with `w` [rows, columns]. */
export function matMulModel(rows, columns, values, { opset = 17, more = [], name = 'multiply' } = {}) {
  return model(
    [
      sized(1, node('MatMul', ['x', 'w'], ['y'], sized(3, name))),
      sized(2, 'graph'),
      sized(5, floatTensor('w', [rows, columns], values)),
      sized(11, value('x')),
      sized(12, value('y')),
      ...more,
    ],
    [],
    opset,
  );
}
