import { TransformStream } from 'node:stream/web';
import { File } from 'node:buffer';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../../support/models/safetensors.mjs';
import { goldenModel } from '../../support/onnx/golden.mjs';
import { matMulModel, model, node, sized, floatTensor } from '../../support/onnx/wire.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const output = () => path.join(folder.at, 'out.onnx');
const quantize = (source, options) => quantizer.quantizeFile(source, output(), options);
const kValues = Array.from({ length: 64 * 8 }, (_, index) => Math.sin(index));
const withMatMul = (options) => new File([matMulModel(64, 8, kValues, options)], 'model.onnx');

describe('What an ONNX model is asked to become', () => {
  test.each([
    [{ type: 'Q4_K_M' }, /type/],
    [{ type: 'q4', groupSize: 20 }, /groupSize .*16, 32, 64, 128, 256/],
    [{ type: 'q4', bits: 8 }, /bits has no meaning with the type q4; the type nbits has it/],
    [{ type: 'nbits', bits: 3 }, /bits .*2, 4, 8/],
    [{ type: 'fp16', groupSize: 32 }, /groupSize has no meaning with the type fp16/],
    [{ type: 'q8', symmetric: true }, /symmetric has no meaning with the type q8/],
    [{ type: 'q4', accuracyLevel: 5 }, /accuracyLevel/],
    [{ type: 'q4', effort: 1 }, /effort is 1/],
    [
      { type: 'q4', effort: 'better', symmetric: true },
      /effort better finds zero points, which symmetric blocks have not/,
    ],
    [{ type: 'q4', effort: 'better', onnxForm: 'qdq' }, /effort has no meaning with the form qdq/],
    [{ type: 'fp16', effort: 'better' }, /effort has no meaning with the type fp16/],
    [{ type: 'q4', onnxForm: 'qdq', embeddings: true }, /embeddings has no meaning with the form qdq/],
    [{ type: 'q2', onnxForm: 'qdq' }, /the form qdq has 4 bits/],
    [{ type: 'q4f16', onnxForm: 'qdq' }, /the form qdq has 4 bits and scales of f32/],
    [{ type: 'q4f16', embeddings: true }, /embeddings has 4 bits and scales of f32/],
    [{ type: 'fp16', rules: [['w', 'keep']] }, /all floats of an fp16 model become F16; leave it out/],
    [{ type: 'q4f16', rules: [['w', 'keep']] }, /with F16 instead of keep, weights stay out of blocks/],
    [{ type: 'q4', profile: 'edge' }, /profile has no meaning, because the output is an ONNX model/],
    [{ type: 'q4', rules: [['w', 'drop']] }, /rules can keep some of them/],
    [{ type: 'q4', rules: [['w', 'F16']] }, /rules can keep some of them/],
    [{ type: 'q4', format: 'onnx', container: 'gguf' }, /leave one of them out/],
  ])('%j is refused', async (options, text) => {
    const call = quantize(withMatMul(), options);
    await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(call).rejects.toThrow(text);
    expect(existsSync(output())).toBe(false);
  });

  test('is q4 where nothing is asked for', async () => {
    const report = await quantize(withMatMul(), {});
    expect(report).toMatchObject({ type: 'q4 g32', container: 'onnx' });
    expect(report.tensors).toEqual([expect.objectContaining({ name: 'w', kept: false, from: 'F32' })]);
  });

  test('loses less with more effort', async () => {
    const [usual, better] = [
      await quantize(withMatMul(), { type: 'q4', symmetric: false }),
      await quantize(withMatMul(), { type: 'q4', effort: 'better' }),
    ];
    expect(better.type).toBe(usual.type);
    const lost = ({ tensors: [{ rmse }] }) => rmse;
    expect(lost(better)).toBeLessThan(lost(usual));
  });

  test.each([false, true])('loses least with the most: symmetric %s', async (symmetric) => {
    const made = [];
    for (const effort of ['reference', 'best']) {
      made.push(await quantize(withMatMul(), { type: 'q4', symmetric, effort }));
    }
    const [usual, best] = made.map(({ tensors: [{ rmse }] }) => rmse);
    expect(best).toBeLessThan(usual);
  });

  test.each([
    [false, undefined],
    [true, undefined],
    [false, '1.20'],
  ])('loses least of the rows that count most: symmetric %s, files of %s', async (symmetric, onnxRuntime) => {
    const importance = new Map([['w', Float32Array.from({ length: 64 }, (_, row) => (row % 8 === 0 ? 1e4 : 1))]]);
    const lost = [];
    for (const more of [{}, { importance }]) {
      const options = { type: 'q4', symmetric, onnxRuntime, effort: 'best', ...more };
      const { weighed, tensors } = await quantize(withMatMul(), options);
      const restored = await quantizer.readTensor(output(), 'w');
      const errors = kValues.map((x, i) => (Math.floor(i / 8) % 8 === 0 ? (x - restored[i]) ** 2 : 0));
      lost.push(errors.reduce((sum, error) => sum + error, 0));
      expect([weighed, tensors[0].savedError > 0]).toEqual([more.importance === undefined ? 0 : 1, true]);
    }
    expect(lost[1]).toBeLessThan(0.8 * lost[0]);
  });

  test.each([
    [{ w: new Float32Array(64).fill(1) }, {}, 'no effect on onnx_blocks int4 g32 symmetric with the effort ref'],
    [{ w: new Float32Array(8).fill(1) }, { effort: 'best' }, 'its importance has 8 values, a column has 64 weights'],
    [{ v: new Float32Array(64).fill(1) }, { effort: 'best' }, 'the model has no tensor of that name'],
  ])('refuses importance that it does not use (%#)', async (importance, more, says) => {
    await expect(quantize(withMatMul(), { type: 'q4', importance, ...more })).rejects.toThrow(says);
  });

  test('is known by its type where there is no name', async () => {
    const plan = await quantizer.plan(withMatMul(), { type: 'Q8' });
    expect(plan).toMatchObject({ type: 'q8', output: { container: 'onnx', files: 1 } });
  });

  test('has options that nothing else has', async () => {
    const source = modelFile([float32Tensor('w', [4, 4])]);
    const call = quantizer.quantizeFile(source, path.join(folder.at, 'a.safetensors'), { embeddings: true });
    await expect(call).rejects.toThrow(/embeddings has no meaning, because the output is no ONNX model/);
  });

  test('is not what other formats can become', async () => {
    const source = modelFile([float32Tensor('w', [4, 4])]);
    await expect(quantize(source, { type: 'q4' })).rejects.toMatchObject({ code: 'unsupported_model' });
  });

  test('is not written to a stream', async () => {
    const { writable } = new TransformStream();
    const call = quantizer.quantizeFile(withMatMul(), writable, { type: 'q4', format: 'onnx' });
    await expect(call).rejects.toThrow(/which a stream cannot take; write to a path or a handle/);
  });

  test('has a name that says so', async () => {
    const call = quantizer.quantizeFile(withMatMul(), path.join(folder.at, 'out.bin'), { format: 'onnx' });
    await expect(call).rejects.toThrow(/its name must end with \.onnx/);
  });
});

describe('Rules', () => {
  test.each([
    ['the name of the weights', [['=w', 'keep']]],
    ['the name of the node', [['=multiply', 'keep']]],
  ])('keep weights by %s', async (_, rules) => {
    const call = quantize(withMatMul(), { type: 'q4', rules });
    await expect(call).rejects.toMatchObject({ code: 'unsupported_model' });
    await expect(call).rejects.toThrow(/it has no weights that q4 would change/);
  });

  const withTwo = () => {
    const more = [
      sized(1, node('MatMul', ['y', 'v'], ['z'])),
      sized(5, floatTensor('v', [8, 2], kValues.slice(0, 16))),
    ];
    return withMatMul({ more });
  };

  test.each(['q8', 'bnb4'])('keep weights of %s by the name of the node', async (type) => {
    const { tensors, warnings } = await quantizer.plan(withTwo(), { type, rules: [['=multiply', 'keep']] });
    expect(warnings).toEqual([]);
    expect(tensors.find(({ name }) => name === 'w')).toMatchObject({ kept: true, rule: 'rule =multiply=keep' });
    expect(tensors.find(({ name }) => name === 'v')).toMatchObject({ kept: false, rule: null });
  });

  test('keep weights of q4f16 out of blocks', async () => {
    const { tensors, warnings } = await quantizer.plan(withTwo(), { type: 'q4f16', rules: [['=w', 'F16']] });
    expect(warnings).toEqual([]);
    expect(tensors.find(({ name }) => name === 'w')).toMatchObject({ to: 'onnx_f16', rule: 'rule =w=F16' });
    expect(tensors.find(({ name }) => name === 'v')).toMatchObject({
      to: expect.stringMatching(/^onnx_blocks_halved/),
      rule: null,
    });
  });

  test('say which they were, and when they matched nothing', async () => {
    const source = goldenModel('bert');
    const rules = [
      ['MatMul_314$', 'keep'],
      ['nothing like it', 'keep'],
    ];
    const { tensors, warnings } = await quantizer.plan(source, { type: 'q4', rules });
    const kept = tensors.find(({ name }) => name === 'onnx::MatMul_314');
    expect(kept).toMatchObject({ kept: true, rule: 'rule MatMul_314$=keep' });
    expect(warnings).toEqual([expect.objectContaining({ code: 'rule_without_match' })]);
  });
});

describe('A model that cannot become what is asked for', () => {
  test('has nothing to quantize', async () => {
    const graph = [sized(1, node('Add', ['x', 'b'], ['y'])), sized(2, 'g'), sized(5, floatTensor('b', [1], [1]))];
    const source = new File([model(graph)], 'model.onnx');
    for (const type of ['q4', 'q8', 'bnb4', 'q4f16']) {
      await expect(quantize(source, { type })).rejects.toMatchObject({ code: 'unsupported_model' });
    }
  });

  test.each([12, 17])('has an opset that is too old for int4: %i', async (opset) => {
    const axes = sized(5, Buffer.concat([sized(1, 'axes'), Buffer.from([0x40, 1, 0xa0, 1, 7])]));
    const more = [sized(1, node('ReduceMean', ['y'], ['z'], axes))];
    const call = quantize(withMatMul({ opset, more }), { type: 'q4', onnxForm: 'qdq' });
    await expect(call).rejects.toMatchObject({ code: 'unsupported_model' });
    await expect(call).rejects.toThrow(/int4 needs 21/);
  });

  test('has a weight that is not finite, which is named', async () => {
    const values = [...kValues];
    values[8 * 3 + 5] = NaN;
    const source = new File([matMulModel(64, 8, values)], 'model.onnx');
    await expect(quantize(source, { type: 'q4' })).rejects.toMatchObject({ code: 'not_finite', layer: 'w', index: 29 });
    expect(existsSync(output())).toBe(false);
  });
});

test('A call that is aborted leaves what was there', async () => {
  writeFileSync(output(), 'before');
  const controller = new AbortController();
  const onEvent = () => controller.abort();
  const call = quantize(goldenModel('bert'), { type: 'q4', signal: controller.signal, onEvent });
  await expect(call).rejects.toMatchObject({ code: 'aborted' });
  expect(readFileSync(output(), 'utf8')).toBe('before');
});

test('A run that was interrupted goes on, and the file is the same', async () => {
  const whole = path.join(folder.at, 'whole.onnx');
  await quantizer.quantizeFile(goldenModel('decoder'), whole, { type: 'q4' });
  const controller = new AbortController();
  let done = 0;
  const onTensor = () => {
    if (++done === 3) controller.abort();
  };
  const options = { type: 'q4', resume: true };
  await expect(quantize(goldenModel('decoder'), { ...options, signal: controller.signal, onTensor })).rejects.toThrow();
  await quantize(goldenModel('decoder'), options);
  expect(readFileSync(output()).equals(readFileSync(whole))).toBe(true);
});
