import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';
import { copyTinyLlama, kTinyLlama, kWeights } from '../support/models/tiny-llama.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

/** Whatever is refused: nothing has been written. */
async function expectRefusal(source, options, { sink = folder.path('out'), code = 'invalid_option', says }) {
  const call = quantizer.quantizeFile(source, sink, { format: 'mlx', ...options });
  await expect(call).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
  expect(existsSync(folder.path('out'))).toBe(false);
}

test.each([
  [{ bits: 7 }, /bits is 7, must be 2, 3, 4, 5, 6, 8 for the type affine of MLX/],
  [{ bits: '4' }, /bits/],
  [{ groupSize: 16 }, /groupSize is 16, must be 32, 64, 128/],
  [{ groupSize: 256 }, /groupSize/],
  [{ groupSize: 'tensor' }, /groupSize/],
  [{ type: 'mxfp4', groupSize: 64 }, /groupSize is 64, must be 32 for the type mxfp4/],
  [{ type: 'nvfp4', bits: 8 }, /bits is 8, must be 4 for the type nvfp4/],
  [{ type: 'Q4_K_M' }, /type/],
  [{ type: 'mxfp4', mix: 'mixed_3_6' }, /mix has no meaning with type mxfp4/],
  [{ mix: 'mixed_3_6', bits: 4 }, /bits has no meaning with a mixture/],
  [{ mix: 'mixed_1_2' }, /mix/],
  [{ dtype: 'F64' }, /dtype/],
  [{ symmetric: true }, /symmetric has no meaning, because the output is a model for MLX/],
  [{ profile: 'edge' }, /profile has no meaning/],
  [{ pure: true }, /pure has no meaning/],
  [{ layout: 'planes' }, /layout has no meaning/],
  [{ type: 'mxfp4', effort: 'best' }, /effort best has no meaning for mlx_mxfp4/],
  [{ importance: new Map([['w', new Float32Array(64)]]) }, /importance is given for "w", but the model has no tensor/],
  [{ container: 'gguf' }, /format is "mlx", but container is "gguf"/],
  [{ architecture: 7 }, /architecture/],
  [{ splitSize: 1 }, /splitSize/],
  [{ rules: [['norm', 'Q4_K']] }, /gives a type that the output cannot hold/],
  [{ rules: [['.', 'drop']] }, /drop every tensor/],
])('options that MLX does not have: %j', async (options, says) => {
  await expectRefusal(kTinyLlama, options, { says });
});

test('outputs that are no folder', async () => {
  const says = /the output of the format mlx is a folder/;
  await expectRefusal(kTinyLlama, {}, { sink: new WritableStream(), says });
  await expectRefusal(kTinyLlama, {}, { sink: folder.path('out.safetensors'), says });
  await expectRefusal(kTinyLlama, {}, { sink: folder.path('out.gguf'), says });
});

test('options of folders for what is a file, and folders for what has no format', async () => {
  const file = { sink: folder.path('out.safetensors') };
  await expectRefusal(kTinyLlama, { format: 'safetensors', mix: 'mixed_3_6' }, { ...file, says: /mix has no meaning/ });
  await expectRefusal(kTinyLlama, { format: 'safetensors', dtype: 'F16' }, { ...file, says: /dtype has no meaning/ });
  await expectRefusal(kTinyLlama, { format: 'awq' }, { ...file, says: /format/ });
  const handle = { kind: 'directory', name: 'out', getFileHandle() {}, keys() {} };
  await expectRefusal(kTinyLlama, { format: undefined }, { sink: handle, says: /only formats such as mlx/ });
});

test.each([
  ['W4A16', 'compressed-tensors'],
  ['w8a16_asym', 'compressed-tensors'],
  ['mxfp8', 'mlx'],
  ['nf4', 'bitsandbytes or onnx'],
  ['q4f16_1', 'mlc'],
  ['q8', 'onnx'],
])('the type %s without its format: the message names it', async (type, format) => {
  const says = new RegExp(`type is "${type}", which is one of the format ${format}; give that as format`, 'u');
  await expectRefusal(kTinyLlama, { format: undefined, type }, { sink: folder.path('out.safetensors'), says });
});

test('types that there are not: the message has no names of the codecs of other programs', async () => {
  const call = quantizer.quantizeFile(kTinyLlama, folder.path('out.safetensors'), { type: 'banana' });
  const { message } = await call.catch((error) => error);
  expect(message).toContain('"Q4_K_M"');
  expect(message).not.toMatch(/mlx_|onnx_|ct_|bnb_/u);
});

describe('models', () => {
  const kWeight = float32Tensor('model.embed_tokens.weight', [4, 64]);

  function withConfig(text, tensors = [kWeight]) {
    mkdirSync(folder.path('in'));
    folder.write('in/model.safetensors', modelFile(tensors));
    if (text !== undefined) folder.write('in/config.json', text);
    return folder.path('in');
  }

  test.each([
    ['missing', undefined, 'unsupported_model', /there is no config\.json beside it, which a model for MLX needs/],
    ['empty', '{}', 'unsupported_model', /config\.json has no "model_type"/],
    ['of a list', '{"model_type":["llama"]}', 'unsupported_model', /model_type/],
    [
      ...['of another model', '{"model_type":"gpt5"}', 'unsupported_model'],
      /models of the type "gpt5" is not known here; the architecture none/,
    ],
    ['cut off', '{"model_type":"llama"', 'invalid_file', /Cannot read .*config\.json/],
    ['no object', '[]', 'invalid_file', /no object/],
    ['deep', `{"a":${'['.repeat(100)}${']'.repeat(100)}}`, 'invalid_file', /nests deeper than 64/],
    ['no number', '{"a":1e999x}', 'invalid_file', /no JSON from character 10 on/],
    ['no text', '{"a":"\u0001"}', 'invalid_file', /no JSON from character 5 on/],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'invalid_file', /UTF-8/],
    ['too large', Buffer.alloc(16 * 2 ** 20 + 1, ' '), 'invalid_file', /over the limit/],
  ])('whose config.json is %s', async (_, text, code, says) => {
    await expectRefusal(withConfig(text), {}, { code, says });
  });

  test('of no known architecture are quantized under their names with none', async () => {
    await quantizer.quantizeFile(withConfig('{"model_type":"gpt5"}'), folder.path('out'), {
      format: 'mlx',
      architecture: 'none',
    });
    expect(JSON.parse(readFileSync(folder.path('out/config.json'), 'utf8')).quantization.bits).toBe(4);
  });

  test('whose names are others than mlx-lm reads, or that have no down projections for a mixture', async () => {
    await expectRefusal(
      withConfig('{"model_type":"gemma3"}'),
      {},
      {
        ...{ code: 'unsupported_model', says: /names that begin with "language_model\."/ },
      },
    );
  });

  test('that have no down projections, for a mixture', async () => {
    await expectRefusal(withConfig('{"model_type":"llama"}'), { mix: 'mixed_3_6' }, { says: /down_proj/ });
  });

  test('that are GGUF files have other names', async () => {
    const input = copyTinyLlama(folder.path('in'));
    await quantizer.quantizeFile(`${input}/model.safetensors`, `${input}/model.gguf`, {
      ...{ type: 'Q8_0', architecture: 'none' },
    });
    await expectRefusal(`${input}/model.gguf`, {}, { code: 'unsupported_model', says: /names that transformers has/ });
  });

  test('that come as bytes have no files beside them', async () => {
    await expectRefusal(kWeights, {}, { code: 'unsupported_model', says: /no config\.json beside it/ });
  });

  test('with weights that are not finite', async () => {
    const weight = float32Tensor('model.embed_tokens.weight', [4, 64]);
    weight.bytes.writeFloatLE(NaN, 4 * 100);
    const says = /index 100/;
    await expectRefusal(withConfig('{"model_type":"llama"}', [weight]), {}, { code: 'not_finite', says });
  });
});
