/** Graphs as passes take them, and how to look at those that they give. */
import { OnnxDataType, floatOf, nodeOf, tensorOf, valueInfoOf } from '../internals.mjs';

export const { float, float16, int64, bool } = OnnxDataType;

const none = { rest: [] };

/** An attribute with a value: a number that is no integer is a float; a graph, a tensor, or `{ float }` for any number. */
export function attribute(name, value) {
  const empty = {
    name,
    int: undefined,
    ints: [],
    tensor: undefined,
    graph: undefined,
    tensors: [],
    graphs: [],
    ...none,
  };
  if (typeof value === 'number') return { ...empty, type: 2, int: BigInt(value) };
  if (value.float !== undefined) return { ...empty, type: 1, rest: [floatField(value.float)] };
  return value.nodes === undefined ? { ...empty, type: 4, tensor: value } : { ...empty, type: 5, graph: value };
}

function floatField(value) {
  const bytes = new Uint8Array(Float32Array.of(value).buffer);
  return { number: 2, value: { kind: 'fixed32', bytes } };
}

/** `node('Add', ['a', 'b'], ['c'], { axis: 1 })`; `name` and `domain` are the node's own. */
export const node = (opType, inputs, outputs, { name = `/${opType}`, domain, ...attributes } = {}) =>
  nodeOf(opType, inputs, outputs, {
    ...{ name, domain },
    attributes: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  });

/** An initializer, of zeros. */
export const weights = (name, dims, type = float) =>
  tensorOf(
    name,
    type,
    dims,
    new Uint8Array(dims.reduce((product, dim) => product * dim, 1) * (type === int64 ? 8 : 4)),
  );

/** `value('x')` is a tensor of f32 of unknown shape; `value('x', null)` has no type. */
export const value = (name, type = float) =>
  type === null ? { name, type: undefined, ...none } : valueInfoOf(name, type);

/** Parts that are left out are empty. */
export const graph = ({ nodes, initializers = [], inputs = [], outputs = [], valueInfos = [] }) => ({
  ...{ name: 'graph', nodes, initializers, inputs, outputs, valueInfos },
  ...none,
});

/** A model with the graph of these parts. */
export const model = (parts, { opset = 17, functions = [] } = {}) => ({
  ...{ irVersion: 8, graph: graph(parts), opsetImports: [{ domain: '', version: opset, ...none }], functions },
  ...none,
});

/** A node as a line: `Add /Add a b > c`, with the integers of its attributes. */
export function line({ opType, name, inputs, outputs, attributes }) {
  const values = attributes.filter(({ int }) => int !== undefined).map((it) => `${it.name}=${it.int}`);
  const floats = attributes.filter((it) => floatOf(it) !== undefined).map((it) => `${it.name}=${floatOf(it)}`);
  const names = (list) => list.map((one) => one || '-').join(' ');
  return [opType, name ?? '-', names(inputs), '>', names(outputs), ...values, ...floats]
    .filter((it) => it !== '')
    .join(' ');
}

export const lines = ({ nodes }) => nodes.map(line);

/** Element types of values or initializers, by name. */
export const typesOf = (list) =>
  Object.fromEntries(list.map(({ name, dataType, type }) => [name, dataType ?? type?.tensor?.elementType]));
