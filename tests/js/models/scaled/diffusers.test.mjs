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

/** The layer with its only factor changed. */
const timesFactor = (format, stem, factor) =>
  kQuantized[format](stem).tensors.map((tensor) =>
    tensor.name === `${stem}.weight_scale` ? fromFloats(tensor.name, 'F32', [], [factor]) : tensor,
  );

/** Query, key and value of a Flux model in the layout of diffusers; `formats` are those of the three. */
const write = (formats, layerOf = (format, stem) => kQuantized[format](stem).tensors) =>
  folder.write(
    'in.safetensors',
    modelFile([
      fromFloats(`${kAttention}.norm_added_k.weight`, 'F32', [128], Array(128).fill(1)),
      fromFloats(`${kAttention}.to_out.0.weight`, 'F32', [32, 32], Array(1024).fill(1)),
      ...kParts.flatMap((stem, index) => layerOf(formats[index], stem, index)),
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

test.each(['F32', 'F16', 'Q8_0'])(
  'parts in fp8 with a factor each are joined to %s, each with its own',
  async (type) => {
    const format = 'comfy float8_e4m3fn';
    const factors = [0.5, 0.0123, 3];
    const input = write([format, format, format], (one, stem, index) => timesFactor(one, stem, factors[index]));
    const report = await quantizer.quantizeFile(input, folder.path('out.gguf'), { type });
    const name = report.tensors.find((one) => /img_attn\.qkv/.test(one.name)).name;
    expect(report.tensors.find((one) => one.name === name)).toMatchObject({
      from: 'F8_E4M3 scaled',
      to: type,
      shape: [24, 256],
    });
    const values = await Promise.all(kParts.map((stem) => quantizer.readTensor(input, `${stem}.weight`)));
    const plain = values.map((one, index) => fromFloats(`${kParts[index]}.weight`, 'F32', [8, 256], one));
    const other = write([], (_, __, index) => [plain[index]]);
    await quantizer.quantizeFile(other, folder.path('plain.gguf'), { type });
    const [found, expected] = ['out.gguf', 'plain.gguf'].map((file) =>
      readGguf(readFileSync(folder.path(file))).tensors.find((one) => one.name === name),
    );
    expect(found.bytes.equals(expected.bytes)).toBe(true);
  },
);

test('weights whose scales are for other groups are not joined, though they are called the same', async () => {
  const call = quantizer.quantizeFile(write(['int8 rows', 'int8 of one scale', 'int8 rows']), folder.path('out.gguf'), {
    type: 'F32',
  });
  await expect(call).rejects.toMatchObject({ code: 'unsupported_model' });
  await expect(call).rejects.toThrow(/cannot be joined \(int8 scaled, with scales for different groups of weights\)/);
});
