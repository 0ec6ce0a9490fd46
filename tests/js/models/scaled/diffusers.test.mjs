import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { readGguf } from '../../../peers/tiny-llama.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { kQuantized } from '../../support/models/quantized.mjs';
import { floatsOf, fromFloats, modelFile } from '../../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kAttention = 'transformer_blocks.0.attn';
const kParts = ['to_q', 'to_k', 'to_v'].map((part) => `${kAttention}.${part}`);

/** Query, key and value of a Flux model in the layout of diffusers; `formats` are those of the three. */
const write = (formats) =>
  folder.write(
    'in.safetensors',
    modelFile([
      fromFloats(`${kAttention}.norm_added_k.weight`, 'F32', [128], Array(128).fill(1)),
      fromFloats(`${kAttention}.to_out.0.weight`, 'F32', [32, 32], Array(1024).fill(1)),
      ...kParts.flatMap((stem, index) => kQuantized[formats[index]](stem).tensors),
    ]),
  );

test.each(['nvfp4', 'mxfp8', 'int8 rows', 'int4 convrot', 'comfy mxfp4', 'fp8 rows'])(
  'weights in %s are joined as the original layout has them',
  async (format) => {
    const input = write([format, format, format]);
    const values = await Promise.all(kParts.map((stem) => quantizer.readTensor(input, `${stem}.weight`)));
    const report = await quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'F32' });
    expect(report.architecture).toBe('flux');
    const found = readGguf(readFileSync(folder.path('out.gguf'))).tensors.find(({ name }) =>
      /img_attn\.qkv/.test(name),
    );
    expect(Array.from(floatsOf({ dtype: 'F32', bytes: found.bytes }))).toEqual(values.flatMap((one) => [...one]));
  },
);

test('weights whose scales are for other groups are not joined, though they are called the same', async () => {
  const call = quantizer.quantizeFile(write(['int8 rows', 'int8 of one scale', 'int8 rows']), folder.path('out.gguf'), {
    type: 'F32',
  });
  await expect(call).rejects.toMatchObject({ code: 'unsupported_model' });
  await expect(call).rejects.toThrow(/cannot be joined \(int8 scaled\)/);
});
