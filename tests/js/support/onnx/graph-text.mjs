import { createHash } from 'node:crypto';
import { decodeModel } from './schema.mjs';
import { tensorBytes, typeName } from './tensor-data.mjs';

/**
 * What makes two ONNX files the same model, one fact a line, sorted: version, opsets, nodes with all that they have, whether
 * their order is topological, initializers by name with their bytes, inputs and outputs with their types; subgraphs
 * likewise, under the attribute that holds them. Equal texts are equal graphs. How numbers are encoded, the order of nodes
 * and initializers, value_info, texts about the file and where its data lie make no difference.
 *
 * @param {Uint8Array} file a whole `.onnx` file
 * @param {string} [folder] where its external data are
 * @throws {Error} when it is no model, or the bytes of a tensor do not fit its shape
 */
export function graphText(file, folder) {
  const model = decodeModel(file);
  const lines = [
    `ir_version ${model.irVersion}`,
    ...model.opsetImport.map(({ domain, version }) => `opset ${domain || 'ai.onnx'} ${version}`),
    ...graphLines(model.graph, new Set(), folder).map((line) => `graph ${line}`),
    ...model.functions.flatMap((it) => functionLines(it, folder)),
  ];
  return `${lines.sort().join('\n')}\n`;
}

/**
 * The lines that only one of two texts has: `- ` those of the first, `+ ` those of the second.
 *
 * @param {string} expected
 * @param {string} actual
 */
export function differences(expected, actual) {
  return [
    ...without(expected, actual).map((line) => `- ${line}`),
    ...without(actual, expected).map((line) => `+ ${line}`),
  ];
}

function without(text, other) {
  const counts = new Map();
  for (const line of other.split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1);
  return text.split('\n').filter((line) => {
    const left = counts.get(line) ?? 0;
    counts.set(line, left - 1);
    return left <= 0;
  });
}

function functionLines({ domain, name, input, output, node }, folder) {
  const prefix = `function ${domain}:${name}`;
  const lines = [
    `takes ${JSON.stringify(input)}`,
    `gives ${JSON.stringify(output)}`,
    ...nodeLines(node, new Set(), folder),
  ];
  return lines.map((line) => `${prefix} ${line}`);
}

function graphLines(graph, outer, folder) {
  const known = new Set([
    ...outer,
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
  ]);
  const values = (kind) =>
    graph[kind].map((it) => `${kind} ${it.name} ${typeName(it.type?.tensorType?.elemType ?? 0)}`);
  return [
    `outputs ${JSON.stringify(graph.output.map(({ name }) => name))}`,
    ...values('input'),
    ...values('output'),
    ...graph.initializer.map((tensor) => `initializer ${tensor.name} ${tensorText(tensor, folder)}`),
    ...nodeLines(graph.node, known, folder),
  ].sort();
}

/** Nodes, and one line more for each name that is used before it is there. */
function nodeLines(nodes, known, folder) {
  const made = new Set(nodes.flatMap(({ output }) => output));
  return nodes.flatMap((node) => {
    const early = node.input.filter((name) => made.has(name) && !known.has(name));
    const lines = [`node ${nodeText(node, known, folder)}`, ...early.map((name) => `early ${node.name} ${name}`)];
    for (const name of node.output) known.add(name);
    return lines;
  });
}

function nodeText(node, known, folder) {
  const attributes = node.attribute.map((it) => `${it.name}=${attributeText(it, known, folder)}`).sort();
  const head = `${node.domain === 'ai.onnx' ? '' : node.domain}:${node.opType} ${JSON.stringify(node.name)}`;
  return `${head} ${JSON.stringify(node.input)} ${JSON.stringify(node.output)} {${attributes.join(' ')}}`;
}

function attributeText(attribute, known, folder) {
  const graph = (it) => `(${graphLines(it, known, folder).join(' | ')})`;
  const tensor = (it) => tensorText(it, folder);
  const text = (it) => JSON.stringify(Buffer.from(it).toString('latin1'));
  const { f, i, s, t, g, floats, ints, strings, tensors, graphs } = attribute;
  const values = {
    1: () => `float ${f}`,
    2: () => `int ${i}`,
    3: () => `string ${text(s)}`,
    4: () => `tensor ${tensor(t)}`,
    5: () => `graph ${graph(g)}`,
    6: () => `floats ${floats}`,
    7: () => `ints ${ints}`,
    8: () => `strings ${strings.map(text)}`,
    9: () => `tensors ${tensors.map(tensor)}`,
    10: () => `graphs ${graphs.map(graph)}`,
  };
  if (attribute.refAttrName !== '') return `reference ${attribute.refAttrName} ${attribute.type}`;
  return values[attribute.type]?.() ?? `type ${attribute.type}`;
}

function tensorText(tensor, folder) {
  const bytes = tensorBytes(tensor, folder);
  const content = bytes.length <= 16 ? bytes.toString('hex') : createHash('sha256').update(bytes).digest('hex');
  return `${typeName(tensor.dataType)}[${tensor.dims}] ${content}`;
}
