import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, fromFloats, modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

test('a checkpoint with a prefix had no tensor in common with its own GGUF', async () => {
  const source = folder.write(
    'in.safetensors',
    modelFile([
      float32Tensor('first_stage_model.encoder.weight', [4, 32]),
      float32Tensor('model.diffusion_model.a.weight', [64, 64]),
    ]),
  );
  const sink = folder.path('out.gguf');
  await quantizer.quantizeFile(source, sink, { type: 'Q8_0', architecture: 'flux' });
  for (const [a, b, left, name] of [
    [source, sink, 'onlyInA', 'model.diffusion_model.a.weight'],
    [sink, source, 'onlyInB', 'a.weight'],
  ]) {
    const comparison = await quantizer.compareFiles(a, b);
    expect(comparison.tensors).toMatchObject([{ name, cosine: expect.closeTo(1, 3) }]);
    expect(comparison).toMatchObject({ onlyInA: [], onlyInB: [], [left]: ['first_stage_model.encoder.weight'] });
  }
});

test('names that the GGUF has with their prefix, because the model is of no known family, stay as they are', async () => {
  const source = folder.write('in.safetensors', modelFile([float32Tensor('model.layers.0.weight', [64, 64])]));
  const sink = folder.path('out.gguf');
  await quantizer.quantizeFile(source, sink, { type: 'Q8_0', architecture: 'none' });
  expect(await quantizer.compareFiles(source, sink)).toMatchObject({
    ...{ tensors: [{ name: 'model.layers.0.weight' }], onlyInA: [], onlyInB: [] },
  });
});

/** 1 to 8 in E4M3, over and over, with a factor of 1/4. */
const scaledModel = () => {
  const levels = [0x38, 0x40, 0x44, 0x48, 0x4a, 0x4c, 0x4e, 0x50];
  const bytes = Buffer.from(Array.from({ length: 64 }, (_, index) => levels[index % 8]));
  return modelFile([
    { name: 'a.weight', dtype: 'F8_E4M3', shape: [2, 32], bytes },
    fromFloats('a.scale_weight', 'F32', [], [0.25]),
  ]);
};

test('readTensor left the factor of scaled fp8 out', async () => {
  const source = folder.write('in.safetensors', scaledModel());
  const values = await quantizer.readTensor(source, 'a.weight', { begin: 8, end: 16 });
  expect([...values]).toEqual([0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]);
});

test('compareFiles left the factor of scaled fp8 out', async () => {
  const source = folder.write('in.safetensors', scaledModel());
  const sink = folder.path('out.gguf');
  await quantizer.quantizeFile(source, sink, { type: 'F32', architecture: 'none' });
  expect(await quantizer.compareFiles(source, sink)).toMatchObject({
    ...{ tensors: [{ name: 'a.weight', a: 'F8_E4M3 scaled', b: 'F32', equal: true }], onlyInA: [], onlyInB: [] },
  });
});
