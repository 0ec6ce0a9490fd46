import { encodeModel } from '../../js/support/onnx/schema.mjs';

const [kFloat, kInt64, kBool] = [1, 7, 9];

const value = (name, elemType, dims) => {
  const shape = dims === undefined ? undefined : { dim: dims.map((dimValue) => ({ dimValue })) };
  return { name, type: { tensorType: { elemType, shape } } };
};
const node = (opType, input, output, attribute = []) => ({ opType, input, output, attribute, name: `/${output[0]}` });
const floats = (name, dims, values) => ({ name, dataType: kFloat, dims, rawData: bytes(Float32Array.from(values)) });
const bytes = (array) => Buffer.from(array.buffer);

const loopBody = {
  name: 'loop',
  node: [
    node('Max', ['state', 'x'], ['larger']),
    node('MatMul', ['larger', 'w'], ['product']),
    node('Cast', ['turn'], ['turns'], [{ name: 'to', type: 2, i: kFloat }]),
    node('Add', ['product', 'turns'], ['next']),
    node('Identity', ['go'], ['again']),
    node('Relu', ['next'], ['seen']),
  ],
  input: [value('turn', kInt64, []), value('go', kBool, []), value('state', kFloat)],
  output: [value('again', kBool, []), value('next', kFloat), value('seen', kFloat)],
};

const scanBody = {
  name: 'scan',
  node: [node('Add', ['sum', 'one'], ['sums']), node('Min', ['sums', 'most'], ['limited'])],
  input: [value('sum', kFloat), value('one', kFloat)],
  output: [value('sums', kFloat, [2, 3]), value('limited', kFloat, [2, 3])],
  initializer: [floats('most', [1], [0.5])],
};

/** A model with a loop and a scan, in which operators with and without float16 take values from inside and outside. */
export const loopModel = () =>
  encodeModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'loops',
      node: [
        node('Loop', ['count', 'yes', 'x'], ['last', 'all'], [{ name: 'body', type: 5, g: loopBody }]),
        node(
          'Scan',
          ['last', 'all'],
          ['total', 'limits'],
          [
            { name: 'body', type: 5, g: scanBody },
            { name: 'num_scan_inputs', type: 2, i: 1 },
          ],
        ),
        node('Range', ['zero', 'three', 'step'], ['steps']),
        node('Mul', ['limits', 'steps'], ['y']),
      ],
      initializer: [
        { name: 'count', dataType: kInt64, dims: [], rawData: bytes(BigInt64Array.of(3n)) },
        { name: 'yes', dataType: kBool, dims: [], rawData: Buffer.of(1) },
        floats('w', [3, 3], [1, 0, 0.5, 0, 1, 0, 0.25, 0, 1]),
        ...[
          ['zero', 0],
          ['three', 3],
          ['step', 1],
        ].map(([name, number]) => floats(name, [], [number])),
      ],
      input: [value('x', kFloat)],
      output: [value('y', kFloat), value('total', kFloat)],
    },
  });

export const loopInputs = () => [{ x: { type: 'float32', dims: [2, 3], values: [0.1, 0.2, 0.3, -0.4, 0.5, 0.6] } }];
