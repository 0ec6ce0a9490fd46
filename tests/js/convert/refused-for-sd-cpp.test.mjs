import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { halfTensor, modelFile } from '../support/models/safetensors.mjs';
import { sdCheckpoint } from '../support/models/sd-checkpoint.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kUNet = 'model.diffusion_model.';

const convert = (tensors, options) => {
  const source = folder.write('in.safetensors', modelFile(tensors));
  return quantizer.quantizeFile(source, folder.path('out.gguf'), { for: 'sd.cpp', ...options });
};

describe('a file that stable-diffusion.cpp would not open is refused before anything is written', () => {
  test.each([
    ['a U-Net alone', [halfTensor('input_blocks.1.0.in_layers.2.weight', [8, 8, 3, 3])], 'take the whole checkpoint'],
    [
      'the refiner',
      [
        `${kUNet}label_emb.0.0.weight`,
        'conditioner.embedders.0.model.token_embedding.weight',
        `${kUNet}input_blocks.1.weight`,
      ],
      'refiner of SDXL',
    ],
    // What is known of diffusers' is written in the original layout.
    [
      'another transformer of diffusers',
      ['transformer_blocks.0.attn.to_q.weight', 'single_transformer_blocks.0.attn.to_q.weight'],
      'take the file in the original layout',
    ],
    ['Lumina 2', ['cap_embedder.0.weight', 'layers.0.attention.qkv.weight'], 'knows no model with these names'],
    ['something else', ['a.weight'], 'architecture "none"'],
  ])('%s', async (_, given, advice) => {
    const tensors = given.map((one) => (typeof one === 'string' ? halfTensor(one, [64, 64]) : one));
    const failed = await convert(tensors, { type: 'Q8_0' }).catch((error) => error);
    expect(failed).toMatchObject({ code: 'unsupported_model' });
    expect(failed.message).toContain('stable-diffusion.cpp would not open it');
    expect(failed.message).toContain(advice);
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('architecture "none" writes it, and says that no program is known to open it', async () => {
    const report = await convert([halfTensor('a.weight', [64, 64])], { type: 'Q8_0', architecture: 'none' });
    expect(report.tensors).toMatchObject([{ name: 'a.weight', to: 'Q8_0' }]);
    expect(report.opensIn).toEqual([]);
    expect(report.notes).toEqual(['stable-diffusion.cpp is not known to open a model with these names.']);
  });

  test('another architecture has no meaning', async () => {
    const refused = convert(sdCheckpoint({ width: 64 }), { type: 'Q8_0', architecture: 'sd1' });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_option' });
  });

  test('shards, which it does not read', async () => {
    const refused = await convert(sdCheckpoint({ width: 64 }), { type: 'Q8_0', splitSize: 1e6 }).catch(
      (error) => error,
    );
    expect(refused.code).toBe('invalid_option');
    expect(refused.message).toContain('which reads no shards');
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('a U-Net that was made for ComfyUI, too', async () => {
    const source = folder.write('xl.safetensors', modelFile(diffusionModel('sdxl', { dtype: 'F16', prefix: kUNet })));
    await quantizer.quantizeFile(source, folder.path('comfy.gguf'), { type: 'Q8_0' });
    const refused = quantizer.quantizeFile(folder.path('comfy.gguf'), folder.path('sd.gguf'), {
      type: 'Q4_0',
      for: 'sd.cpp',
    });
    await expect(refused).rejects.toMatchObject({ code: 'unsupported_model' });
  });
});
