import { randomWeights } from '../../js/support/weights.mjs';
import { encodeModel } from '../../js/support/onnx/schema.mjs';

const kSize = 8;
const [kFloat, kInt32, kInt64, kBool] = [1, 6, 7, 9];
const kInts = { type: 'int64', dims: [2], values: [3, 1] };

/** Inputs of all models that randomModel makes, for a run with either branch. */
export const randomInputs = () =>
  [0, 1].map((flag) => {
    const matrix = (seed) => ({
      type: 'float32',
      dims: [2, kSize],
      values: Array.from(randomWeights(2 * kSize, seed), (it) => 3 * it),
    });
    return { x: matrix(1), y: matrix(2), ids: kInts, flag: { type: 'bool', dims: [], values: [flag] } };
  });

/**
 * A model of a few nodes, with branches: every float is a matrix of 2 rows and 8 columns, so anything goes with anything.
 *
 * @param {number} seed
 * @param {{isSmooth: boolean}} about without jumps, a small difference of weights makes a small one of outputs
 * @returns {Uint8Array} a whole file
 */
export function randomModel(seed, { isSmooth }) {
  const random = randomNumbers(seed);
  const graph = new RandomGraph(random, undefined, '', isSmooth);
  graph.values.push('x', 'y');
  graph.values.push(kWays.product(graph, 'x'));
  for (let count = 3 + random(10); count > 0; count -= 1) graph.grow();
  const made = graph.values.slice(2);
  // Every third file tells the types of its values.
  const isTold = seed % 3 === 0;
  const outputs = [made.at(-1), made[random(made.length - 1)]];
  return encodeModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      ...{ name: 'random', node: graph.nodes, initializer: graph.initializers },
      input: [info('x', kFloat), info('y', kFloat), info('ids', kInt64), info('flag', kBool)],
      output: outputs.map((name) => info(name, kFloat)),
      valueInfo: isTold ? made.filter((name) => !outputs.includes(name)).map((name) => info(name, kFloat)) : [],
    },
  });
}

const info = (name, elemType) => ({ name, type: { tensorType: { elemType } } });

/** Whole numbers below a bound, by xorshift. */
function randomNumbers(seed) {
  let state = (seed + 1) * 2654435761;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** A way to grow: adds nodes that take `x`, and gives the name of a new matrix. */
const kWays = {
  product: (graph, x) => graph.add('MatMul', [x, graph.weights([kSize, kSize])]),
  products: (graph, x) => {
    const turned = graph.add('Transpose', [x], { perm: [1, 0] });
    return graph.add('MatMul', [graph.add('MatMul', [x, turned]), graph.pick()]);
  },
  gemm: (graph, x) => {
    const bias = graph.random(2) === 0 ? [] : [graph.weights([kSize])];
    return graph.add('Gemm', [x, graph.weights([kSize, kSize]), ...bias], { transB: graph.random(2) });
  },
  convolution: (graph, x) => {
    const batch = graph.add('Unsqueeze', [x, graph.whole([0])]);
    const bias = graph.random(2) === 0 ? [] : [graph.weights([2])];
    const made = graph.add('Conv', [batch, graph.weights([2, 2, 3]), ...bias], { pads: [1, 1] });
    return graph.add('Squeeze', [made, graph.whole([0])]);
  },
  rows: (graph) => graph.add('Gather', [graph.weights([5, kSize]), 'ids']),
  memory: (graph, x) => {
    const [hidden, steps] = [16, graph.add('Unsqueeze', [x, graph.whole([1])])];
    const matrices = [kSize, hidden].map((columns) => graph.weights([1, 4 * hidden, columns]));
    const made = graph.add('LSTM', [steps, ...matrices], { hidden_size: hidden });
    const rows = graph.add('Reshape', [made, graph.whole([2, hidden])]);
    return graph.add('MatMul', [rows, graph.weights([hidden, kSize])]);
  },
  unary: (graph, x) => graph.add(['Relu', 'Sigmoid', 'Tanh', 'Softmax', 'Identity'][graph.random(5)], [x]),
  binary: (graph, x) => graph.add(['Add', 'Mul', 'Sub', 'Max', 'Min'][graph.random(5)], [x, graph.pick()]),
  bias: (graph, x) => graph.add(['Add', 'Max'][graph.random(2)], [x, graph.weights([kSize])]),
  sum: (graph, x) => graph.add('CumSum', [x, graph.whole([1], [])]),
  rounded: (graph, x) => graph.add('Cast', [graph.add('Cast', [x], { to: kInt32 })], { to: kFloat }),
  norm: (graph, x) => graph.add('LayerNormalization', [x, graph.weights([kSize]), graph.weights([kSize])]),
  choice: (graph, x) => graph.add('Where', [graph.add('Greater', [x, graph.pick()]), x, graph.pick()]),
  halves: (graph, x) => {
    const both = graph.add('Concat', [x, graph.pick()], { axis: 0 });
    const [first, second] = ['one', 'two'].map((name) => graph.name(name));
    graph.node('Split', [both], [first, second], { axis: 0 });
    return graph.random(2) === 0 ? first : second;
  },
  turned: (graph, x) => {
    const perm = [1, 0];
    return graph.add('Transpose', [graph.add('Transpose', [x], { perm })], { perm });
  },
  sorted: (graph, x) => {
    const [values, places] = ['values', 'places'].map((name) => graph.name(name));
    graph.node('TopK', [x, graph.whole([kSize])], [values, places], { axis: 1 });
    return values;
  },
  branches: (graph) => {
    const [one, other] = ['then', 'else'].map((name) => graph.branch(name));
    return graph.add('If', ['flag'], { then_branch: one, else_branch: other });
  },
};

const kJumps = ['rounded', 'choice', 'sorted'];

class RandomGraph {
  nodes = [];
  initializers = [];
  values = [];
  /** Names of weights by shape, some of which are used again. */
  known = new Map();

  constructor(random, outer, prefix, isSmooth) {
    Object.assign(this, { random, outer, prefix, isSmooth });
  }

  name(base) {
    return `${this.prefix}${base}${this.nodes.length + this.initializers.length}`;
  }

  grow() {
    const isDeep = this.outer?.outer !== undefined;
    const leftOut = [...(isDeep ? ['branches'] : []), ...(this.isSmooth ? kJumps : [])];
    const ways = Object.keys(kWays).filter((way) => !leftOut.includes(way));
    const way = kWays[[...ways, 'product', 'rows', 'product'][this.random(ways.length + 3)]];
    this.values.push(way(this, this.pick()));
  }

  pick() {
    const values = this.visible();
    return values[this.random(values.length)];
  }

  visible() {
    return [...this.values, ...(this.outer?.visible() ?? [])];
  }

  weights(dims) {
    const again = this.shared(String(dims));
    if (again.length > 0 && this.random(3) === 0) return again[this.random(again.length)];
    const name = this.name('w');
    const values = randomWeights(
      dims.reduce((product, dim) => product * dim),
      this.random(1000),
    );
    const floatData = Array.from(values, (value) => 2 * value);
    const rawData = Buffer.from(Float32Array.from(floatData).buffer);
    this.initializers.push({ name, dataType: kFloat, dims, ...(this.random(4) === 0 ? { floatData } : { rawData }) });
    this.known.set(String(dims), [...(this.known.get(String(dims)) ?? []), name]);
    return name;
  }

  shared(shape) {
    return [...(this.known.get(shape) ?? []), ...(this.outer?.shared(shape) ?? [])];
  }

  whole(values, dims = [values.length]) {
    const name = this.name('n');
    // Numbers lie in either field.
    const isTyped = this.random(2) === 0;
    const rawData = Buffer.from(BigInt64Array.from(values, BigInt).buffer);
    this.initializers.push({ name, dataType: kInt64, dims, ...(isTyped ? { int64Data: values } : { rawData }) });
    return name;
  }

  add(opType, inputs, attributes) {
    const output = this.name('v');
    this.node(opType, inputs, [output], attributes);
    return output;
  }

  node(opType, input, output, attributes = {}) {
    const name = this.random(10) === 0 ? '' : `/${output[0]}/${opType}`;
    const attribute = Object.entries(attributes).map(([key, value]) => {
      if (typeof value === 'number') return { name: key, type: 2, i: value };
      return Array.isArray(value) ? { name: key, type: 7, ints: value } : { name: key, type: 5, g: value };
    });
    this.nodes.push({ opType, name, input, output, attribute });
  }

  branch(name) {
    const inner = new RandomGraph(this.random, this, `${this.name(name)}_`, this.isSmooth);
    for (let count = 1 + this.random(3); count > 0; count -= 1) inner.grow();
    const output = inner.add('Identity', [inner.values[this.random(inner.values.length)]]);
    // A branch may leave the type of what it gives to who reads it.
    const outputs = [this.random(4) === 0 ? { name: output } : info(output, kFloat)];
    return { name, node: inner.nodes, initializer: inner.initializers, output: outputs };
  }
}
