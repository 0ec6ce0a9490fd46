import { File } from 'node:buffer';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { MemorySource, openOnnx } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { floatTensor, matMulModel, message, model, node, numbered, sized, value } from '../../support/onnx/wire.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

const kValues = Array.from({ length: 64 * 8 }, (_, index) => Math.sin(index));
const kOwn = Array.from({ length: 16 }, (_, index) => 1000 + index);
const bytesOf = (values) => Buffer.from(Float32Array.from(values).buffer);

/** Quantizes a model: the bytes of the file, and the graph that is in it. */
async function quantized(bytes, options) {
  const output = path.join(folder.at, 'out.onnx');
  await quantizer.quantizeFile(new File([bytes], 'model.onnx'), output, options);
  const written = readFileSync(output);
  const { model: read } = await openOnnx(new MemorySource('out.onnx', written));
  return { written, graph: read.graph };
}

describe('Names that the model has already', () => {
  const kForms = [
    ['w_scales', { type: 'q4' }],
    ['w_Q4', { type: 'q4' }],
    ['w_zero_points', { type: 'q4', symmetric: false }],
    ['w_DQ_Q4', { type: 'q4', onnxForm: 'qdq' }],
    ['w_DQ_scales', { type: 'q4', onnxForm: 'qdq' }],
    ['w_absmax', { type: 'bnb4' }],
    ['w_Bnb4', { type: 'bnb4' }],
  ];

  test.each(kForms)('are left to it: the initializer %s, with %j', async (name, options) => {
    const own = [sized(5, floatTensor(name, [8, 2], kOwn)), sized(1, node('MatMul', ['y', 'other'], ['z']))];
    const more = [...own, sized(1, node('Identity', [name], ['other']))];
    const { written, graph } = await quantized(matMulModel(64, 8, kValues, { opset: 21, more }), options);
    expect(graph.initializers.filter((one) => one.name === name)).toHaveLength(1);
    expect(written.includes(bytesOf(kOwn))).toBe(true);
    expect(graph.nodes.flatMap(({ inputs }) => inputs)).toContain(`${name}_1`);
    expect(graph.initializers.map((one) => one.name)).toContain(`${name}_1`);
  });

  test.each(kForms)('are left to it: the value %s, with %j', async (name, options) => {
    const more = [sized(1, node('Neg', ['y'], [name]))];
    const { graph } = await quantized(matMulModel(64, 8, kValues, { opset: 21, more }), options);
    expect(graph.initializers.map((one) => one.name)).toEqual(expect.arrayContaining([`${name}_1`]));
    expect(graph.initializers.map((one) => one.name)).not.toContain(name);
  });
});

describe('Weights of three dimensions', () => {
  const withThree = (opset, more = []) =>
    model(
      [
        sized(1, node('MatMul', ['x', 'w'], ['y'])),
        ...more,
        sized(2, 'g'),
        sized(5, floatTensor('w', [1, 64, 8], kValues)),
        ...[sized(11, value('x')), sized(12, value('y', 3))],
      ],
      [],
      opset,
    );

  test('have names of their own on the way to their shape', async () => {
    const more = ['y_pre_reshape', 'w_Q4_y_zero'].map((name) => sized(1, node('Neg', ['x'], [name])));
    const { graph } = await quantized(withThree(17, more), { type: 'q4' });
    const outputs = graph.nodes.flatMap((one) => one.outputs);
    expect(new Set(outputs).size).toBe(outputs.length);
    expect(outputs).toContain('y_pre_reshape_1');
    expect(graph.nodes.find(({ opType }) => opType === 'Gather').inputs[1]).toBe('w_Q4_y_zero_1');
  });

  test('need operators that are new enough', async () => {
    const call = quantized(withThree(11), { type: 'q4' });
    await expect(call).rejects.toMatchObject({ code: 'unsupported_model' });
    await expect(call).rejects.toThrow(/it has opset 11, but weights of more than two dimensions need 12/);
  });
});

describe('Branches in functions', () => {
  const kLarge = Array.from({ length: 300 }, (_, index) => 1 / (index + 1));
  const kBranch = message(
    sized(1, node('Add', ['large', 'small'], ['b'])),
    sized(2, 'branch'),
    sized(5, floatTensor('large', [300], kLarge)),
    sized(5, floatTensor('small', [2], [3.25, 7.125])),
    sized(12, value('b')),
  );
  const kAttribute = sized(5, message(sized(1, 'then_branch'), sized(6, kBranch), numbered(20, 5)));
  const kFunction = message(sized(1, 'f'), sized(7, node('If', ['c'], ['y'], kAttribute)), sized(10, 'a.domain'));
  const kModel = message(matMulModel(64, 8, kValues), sized(25, kFunction));

  test.each([{ type: 'q4' }, { type: 'q8' }, { type: 'q4', externalData: true }])(
    'keep their constants with %j',
    async (options) => {
      const { written } = await quantized(kModel, options);
      expect(written.includes(bytesOf(kLarge))).toBe(true);
      expect(written.includes(bytesOf([3.25, 7.125]))).toBe(true);
    },
  );
});
