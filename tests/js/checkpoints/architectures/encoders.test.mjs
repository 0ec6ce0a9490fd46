import { describe, expect, test } from '@jest/globals';
import { useConversions } from '../support/conversions.mjs';
import { kEncoders } from '../support/encoders.mjs';

/**
 * What llama.cpp's converter writes of each, by --outtype; it was given the name of the pre-tokenizer where a model has `pre`.
 */
const kDigests = {
  'EuroBERT-tiny': {
    f16: '8ceecd2046d0c308e9402b614d2eff6ada9540b5b081d4ddb4ca0c999caef4df',
    q8_0: '8005a940ac405ea44884feac4a1f97a54b1499ccf640a866b5ba674434f9bc46',
  },
  'NeoBERT-tiny': {
    f16: '845be91dd55d891299e4aa4fc5e15577bb0ada92d958e6827f11806ec87fa817',
    q8_0: '0990bb95b188ee17c5be163612c0b2e6e2ca27a4136ee85bc02cfc5ea72a2784',
  },
  'bge-tiny-reranker-v2': {
    f16: 'b399664c1fd4f88838038e698d12bae4f49490e1e9d18929cab7224743fcb173',
    q8_0: '16d5aec94f612c2f799e4fb133f80ffec1b8d8e19d309b36b535bb6dc6d264c4',
  },
  'distil-tiny-sst-2': {
    f16: '06e77928e35ef502df13a1c3b28e34518c3d83d3ee21bb36d26946020942432b',
    q8_0: '566d68c8850f78ba252c8770af8a640cb9b67478d621e957e35e9c7b06c44f49',
  },
  'jina-tiny-embeddings-v2-code': {
    f16: '8c6dd3f9a618cacad638689b6e4329c077e073e948cea3757d6f4584793d1c27',
    q8_0: '21f73e84b5cc28e8b30809882de7f94727dc231a1573ca68d33d91299add194f',
  },
  'jina-tiny-embeddings-v2': {
    f16: 'b3914672b1deb5ee3f622e3a5d0ddd4ce8fa8eef21c92932eef7e96455ca0fcd',
    q8_0: '4a4bdb053c67e30b210233021755779b7bc8a5f2a495aa1b345293bf24a85e68',
  },
  'jina-tiny-embeddings-v3': {
    f16: 'a23cff1c8debfcd26eccb87234cc25fbd92d21a29303a50d2e50e8dbc7f4ff4a',
    q8_0: 'e030c4945912da3bc792eb199a7a092e3b28c501b2264d2055020b4b216cabe2',
  },
  'modernbert-tiny-reranker': {
    f16: '5ec5c98c3f0e3ff148b4c3206db5c384d814cc4eea7aefe93b1a81d5dacad483',
    q8_0: 'e82b2c91e5009d878a0bfafedea7f8990d2835fc5d150ba35ab00bcc670f3949',
  },
  'ms-tiny-cross-encoder-L-2-v2': {
    f16: '8859647ae84db1b5b492057c3f9f17f7116b2807bb15781ebd87d554575d21dc',
    q8_0: 'e943974b04b6e96a545f8dee79fe6affa0724223b13ad0fa266ca4d251214d6c',
  },
  'nomic-tiny-embed-text-v1.5': {
    f16: 'b0a1fecbd2e956e4cdb203de1c3db7256c4855937c639ac17f216966e511b348',
    q8_0: '7fd431cfe90df58ab0810a640c8eb014ed0a433cd0e70b044151016723a81803',
  },
  'nomic-tiny-embed-text-v2-moe': {
    f16: '101dc03dbd6d6d480f1f3593e95b6a262b655a6a19bb588ac75e43ac1d9913f1',
    q8_0: 'fbda1a8527f56794b6f7cf8547b7a17b14cab19d8c5ed8eb3ad6151f30194e1d',
  },
  'tiny-bert-uncased': {
    f16: 'd4f800a10912f9492bda3ad8d2e1fcfefc55dfe9e6b5ea3b438c453414802e6d',
    q8_0: 'f7bf5389ce46c17343b9ce7e36e32e51057de443049f8b560757c14d23c7149b',
  },
};

const { digests, plan } = useConversions();

describe("encoders become the files that llama.cpp's converter writes", () => {
  test.each(kEncoders)('$name', async (model) => {
    expect(await digests(model)).toEqual(kDigests[model.name]);
  });
});

/** The cross-encoder with another config.json, and what is wrong with its files. */
const kRefused = [
  ['classes without names', { id2label: undefined }, 'unsupported_model', 'under id2label'],
  ['more names than classes', { id2label: { 0: 'no', 1: 'yes' } }, 'invalid_file', 'classifier.bias'],
  ['names of classes in a list', { id2label: ['LABEL_0'] }, 'invalid_file', 'id2label'],
  ['classes without numbers', { id2label: { constructor: 'x' } }, 'invalid_file', 'id2label'],
  ['more positions than embeddings of them', { max_position_embeddings: 512 }, 'invalid_file', 'position_embeddings'],
  ['no kind of tokens', { type_vocab_size: 0 }, 'invalid_file', 'type_vocab_size'],
  ['another width', { hidden_size: 64 }, 'invalid_file', 'embeddings'],
  ['heads that do not share the width', { num_attention_heads: 5 }, 'invalid_file', 'hidden_size'],
  ['more layers than there are', { num_hidden_layers: 3 }, 'invalid_file', 'encoder.layer.2.'],
  ['fewer layers than there are', { num_hidden_layers: 1 }, 'unsupported_model', 'encoder.layer.1.'],
];

describe('files that contradict each other are refused', () => {
  test.each(kRefused)('%s', async (_, changes, code, words) => {
    const [model] = kEncoders;
    const refusal = await plan({ ...model, config: { ...model.config, ...changes } }).catch((error) => error);
    expect(refusal).toMatchObject({ name: 'QuantizeError', code });
    expect(refusal.message).toContain(words);
  });

  const changed = (name, changes) => {
    const model = kEncoders.find((one) => one.name === name);
    return { ...model, config: { ...model.config, ...changes } };
  };

  test.each([
    ['nomic-tiny-embed-text-v1.5', { prenorm: true }, 'unsupported_model', 'prenorm'],
    ['nomic-tiny-embed-text-v1.5', { n_positions: 4096 }, 'invalid_file', 'n_positions'],
    ['nomic-tiny-embed-text-v2-moe', { moe_top_k: 5 }, 'invalid_file', 'moe_top_k'],
    ['bge-tiny-reranker-v2', { pad_token_id: 41 }, 'invalid_file', 'pad_token_id'],
    ['bge-tiny-reranker-v2', { pad_token_id: -7 }, 'invalid_file', 'pad_token_id'],
    ['modernbert-tiny-reranker', { layer_norm_eps: undefined }, 'invalid_file', 'layer_norm_eps'],
    ['modernbert-tiny-reranker', { norm_eps: -1e-5 }, 'invalid_file', 'norm_eps'],
    ['modernbert-tiny-reranker', { hidden_activation: 'relu' }, 'unsupported_model', 'hidden_activation'],
    ['distil-tiny-sst-2', { num_key_value_heads: 2 }, 'invalid_file', 'k_lin'],
    ['jina-tiny-embeddings-v2-code', { type_vocab_size: 1 }, 'invalid_file', 'type_embeddings'],
  ])('%s with %j', async (name, changes, code, words) => {
    const refusal = await plan(changed(name, changes)).catch((error) => error);
    expect(refusal).toMatchObject({ name: 'QuantizeError', code });
    expect(refusal.message).toContain(words);
  });

  test('a model without kinds of tokens that llama.cpp asks for', async () => {
    const model = kEncoders.find(({ name }) => name === 'jina-tiny-embeddings-v2');
    const tensors = model.tensors.filter(([name]) => !name.includes('token_type'));
    await expect(plan({ ...model, tensors })).rejects.toMatchObject({
      code: 'invalid_file',
      layer: 'embeddings.token_type_embeddings.weight',
    });
  });
});
