import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { array, ggufFile, ggufTensor } from '../support/models/gguf.mjs';
import { float32Tensor, modelFile, readModel } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const restored = async (source) => {
  await quantizer.dequantizeFile(source, folder.path('back.safetensors'));
  return readModel(readFileSync(folder.path('back.safetensors'))).tensors;
};

test('a convolution that stayed F16 had the shape of its joined rows after dequantize', async () => {
  const source = folder.write(
    'sd.safetensors',
    modelFile([
      float32Tensor('input_blocks.0.0.weight', [64, 4, 3, 3]),
      float32Tensor('input_blocks.1.0.weight', [64, 64, 3, 3]),
    ]),
  );
  await quantizer.quantizeFile(source, folder.path('sd.gguf'), { type: 'Q8_0', architecture: 'sd1' });
  const tensors = await restored(folder.path('sd.gguf'));
  expect(tensors.get('input_blocks.0.0.weight')).toMatchObject({ dtype: 'F16', shape: [64, 4, 3, 3] });
  expect(tensors.get('input_blocks.1.0.weight')).toMatchObject({ dtype: 'F32', shape: [64, 64, 3, 3] });
});

test.each([
  { what: 'negative', of: 'i32', values: [-2, -16] },
  { what: 'fractional', of: 'f32', values: [0.5, 64] },
  { what: 'text', of: 'string', values: ['2', '16'] },
  { what: 'of too many dimensions', of: 'i32', values: [32, 1, 1, 1, 1, 1] },
])('an original shape that is $what went into a safetensors file that nobody can read', async ({ of, values }) => {
  const pairs = [['comfy.gguf.orig_shape.a.weight', 'array', array({ of, values })]];
  const source = folder.write('in.gguf', ggufFile({ pairs, tensors: [ggufTensor('a.weight', [32], 2)] }));
  expect((await restored(source)).get('a.weight').shape).toEqual([32]);
  await quantizer.inspectFile(folder.path('back.safetensors'));
});

test('an array in an array was shown with all of its elements', async () => {
  const inner = { of: 'u8', values: Array.from({ length: 1000 }, () => 7) };
  const pairs = [['nested', 'array', array({ of: 'array', values: [inner] })]];
  const source = folder.write('in.gguf', ggufFile({ pairs }));
  const { metadata } = await quantizer.inspectFile(source);
  expect(metadata).toEqual({ nested: '1 elements of type array' });
});
