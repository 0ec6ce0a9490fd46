import { describe, expect, test } from '@jest/globals';
import { useConversions } from '../support/conversions.mjs';
import { kOthers } from '../support/others.mjs';

/**
 * What llama.cpp's converter writes of each, by --outtype; it was given the name of the pre-tokenizer where a model has `pre`.
 */
const kDigests = {
  'LFM2-Tiny-Embedding': {
    f16: 'cb1f098c06494277692bf394ef724a19fcabbcad38e40b98c8c11832f55a9a5f',
    q8_0: 'f19e9260674b5e31d05e725d26c4087375b1632445f3e8739132bd0584b3003f',
  },
  'embeddinggemma-tiny': {
    f16: '2ff0e071b0ca35c96cbf011fe8c932e7ce604b2f77323408806a45ccfedcc4f3',
    q8_0: '0fa4c2d58c44abd28a895d8075827a18eb636136f72c4b37654de6856e3b8d03',
  },
  'flan-t5-tiny': {
    f16: '47a5b7935d48bffbe056b5a2e199204b7983debff31f13b3fd59a5cafb3b028c',
    q8_0: 'fcb3f7f9cc2102c46acc30004f74da0c95c3122812429c440f4877084f051352',
  },
  't5-tiny-encoder': {
    f16: '49e39c13bdb8f36560b92e15e84333695b6e1cfcf70b097bd5600076f1a5a736',
    q8_0: 'c5bc61d068d7f16af2c8ac0dff5709b995c617574980ea03e57768dfc151cd4e',
  },
  't5-tiny': {
    f16: '00109a643d41012cccbf3b692a84a6c338facfdadd44bdc8e27948d5db57aab7',
    q8_0: 'de1da7eac41bf993cd3a9136db5db1f7dea11b77e9ca05c13f5a60aed8089bbf',
  },
  'umt5-tiny': {
    f16: 'b954cb8bee1c23ecd66b27bfeb81e38d5a156864accae7d640b2a9b847b09649',
    q8_0: '4be977cc742b3421ba29597bcb6533fc892a67bac598e19728314abae5bf75ec',
  },
  'SmolVLM-Tiny-Instruct': {
    f16: '0b84256ce9d8eaa3dbc8723126340dbf71626b845f3a5337ac9e7db6bc476426',
    q8_0: 'ca2a68056d31a3102cbcc41298f68990416082de63eabfbcd467e60806d625db',
  },
};

const { digests, plan } = useConversions();

describe("models that are not only decoders become the files that llama.cpp's converter writes", () => {
  test.each(kOthers)('$name', async (model) => {
    expect(await digests(model)).toEqual(kDigests[model.name]);
  });
});

describe('files that contradict each other are refused', () => {
  test.each([
    ['t5-tiny', { num_decoder_layers: 3 }, 'unsupported_model', 'decoder has 3 layers'],
    ['t5-tiny', { num_layers: 3, num_decoder_layers: 2 }, 'invalid_file', 'encoder.block.2.'],
    ['t5-tiny', { decoder_start_token_id: undefined }, 'invalid_file', 'decoder_start_token_id'],
    ['t5-tiny', { d_kv: 16 }, 'invalid_file', 'SelfAttention'],
    ['t5-tiny', { num_layers: 100_000 }, 'invalid_file', 'num_layers'],
    ['embeddinggemma-tiny', { sliding_window: -1 }, 'invalid_file', 'sliding_window'],
  ])('%s with %j', async (name, changes, code, words) => {
    const model = kOthers.find((one) => one.name === name);
    const refusal = await plan({ ...model, config: { ...model.config, ...changes } }).catch((error) => error);
    expect(refusal).toMatchObject({ name: 'QuantizeError', code });
    expect(refusal.message).toContain(words);
  });

  test('LFM2 with a layer in a file of its own', async () => {
    const model = kOthers.find(({ name }) => name === 'LFM2-Tiny-Embedding');
    const files = { ...model.files, '1_Dense/model.safetensors': 'x' };
    await expect(plan({ ...model, files })).rejects.toMatchObject({
      code: 'unsupported_model',
    });
  });
});
