import { layers, linear, norm, pooledBy } from './described.mjs';

const kWidth = 32;
const kInner = 64;
const kHeads = 4;
const kLayers = 2;

/** Tokens of the cases whose tokenizers these models have. */
const kPieces = 262;
const kGemmaTokens = 520;
const kByteTokens = 480;

const kT5 = {
  model_type: 't5',
  ...{ d_model: kWidth, d_ff: kInner, d_kv: 8, num_heads: kHeads, num_layers: kLayers },
  ...{ relative_attention_num_buckets: 8, vocab_size: kPieces + 2, decoder_start_token_id: 0 },
};

/** T5 has the vocabulary without the special tokens of XLM-RoBERTa. */
const kT5Tokenizer = {
  like: 'xlm-roberta',
  without: ['tokenizer.json', 'tokenizer_config.json'],
  renamed: { 'sentencepiece.bpe.model': 'spiece.model' },
};

const attention = (at) => ['q', 'k', 'v', 'o'].flatMap((name) => linear(`${at}.${name}`, kWidth, kWidth, false));

const gated = (at) => [
  ...['wi_0', 'wi_1'].flatMap((name) => linear(`${at}.DenseReluDense.${name}`, kInner, kWidth, false)),
  ...linear(`${at}.DenseReluDense.wo`, kWidth, kInner, false),
  ...norm(`${at}.layer_norm`, kWidth, false),
];

const plain = (at) =>
  gated(at).flatMap(([name, shape]) => (name.includes('wi_1') ? [] : [[name.replace('wi_0', 'wi'), shape]]));

const selfAttention = (at, hasBias) => [
  ...attention(`${at}layer.0.SelfAttention`),
  ...(hasBias ? [[`${at}layer.0.SelfAttention.relative_attention_bias.weight`, [8, kHeads]]] : []),
  ...norm(`${at}layer.0.layer_norm`, kWidth, false),
];

const reader = (feedForward, everyBias = false) => [
  ...norm('encoder.final_layer_norm', kWidth, false),
  ...layers(kLayers, 'encoder.block.', (at, layer) => [
    ...selfAttention(at, everyBias || layer === 0),
    ...feedForward(`${at}layer.1`),
  ]),
];

const writer = (count, feedForward, everyBias = false) => [
  ...norm('decoder.final_layer_norm', kWidth, false),
  ...layers(count, 'decoder.block.', (at, layer) => [
    ...selfAttention(at, everyBias || layer === 0),
    ...attention(`${at}layer.1.EncDecAttention`),
    ...norm(`${at}layer.1.layer_norm`, kWidth, false),
    ...feedForward(`${at}layer.2`),
  ]),
];

const kSharedEmbeddings = ['shared.weight', [kPieces + 2, kWidth]];

const kT5Small = {
  ...kT5Tokenizer,
  name: 't5-tiny',
  config: { ...kT5, architectures: ['T5ForConditionalGeneration'], n_positions: 64 },
  tensors: [
    ['encoder.embed_tokens.weight', [kPieces + 2, kWidth]],
    kSharedEmbeddings,
    ...reader(plain),
    ...writer(kLayers, plain),
  ],
};

const kFlanT5 = {
  ...kT5Tokenizer,
  name: 'flan-t5-tiny',
  config: {
    ...kT5,
    architectures: ['T5ForConditionalGeneration'],
    ...{ feed_forward_proj: 'gated-gelu', num_decoder_layers: 1, tie_word_embeddings: false },
  },
  tensors: [kSharedEmbeddings, ...linear('lm_head', kPieces + 2, kWidth, false), ...reader(gated), ...writer(1, gated)],
};

const kUmt5 = {
  ...kT5Tokenizer,
  name: 'umt5-tiny',
  config: { ...kT5, model_type: 'umt5', architectures: ['UMT5ForConditionalGeneration'] },
  tensors: [kSharedEmbeddings, ...reader(gated, true), ...writer(kLayers, gated, true)],
};

const kT5Encoder = {
  ...kT5Tokenizer,
  name: 't5-tiny-encoder',
  config: { ...kT5, architectures: ['T5EncoderModel'] },
  tensors: [kSharedEmbeddings, ...reader(gated)],
};

/** Of six layers the last one attends to all of a text. */
const kGemmaLayers = 6;

const kGemmaEmbedding = {
  name: 'embeddinggemma-tiny',
  like: 'gemma3-text',
  files: pooledBy('mean_tokens'),
  config: {
    architectures: ['Gemma3TextModel'],
    model_type: 'gemma3_text',
    ...{ hidden_size: kWidth, intermediate_size: kInner, num_hidden_layers: kGemmaLayers, num_attention_heads: kHeads },
    ...{ num_key_value_heads: 1, head_dim: 8, sliding_window: 512, max_position_embeddings: 256 },
    ...{ use_bidirectional_attention: true, vocab_size: kGemmaTokens },
  },
  tensors: [
    ['embed_tokens.weight', [kGemmaTokens, kWidth]],
    ...norm('norm', kWidth, false),
    ...layers(kGemmaLayers, 'layers.', (at) => [
      ...[
        ['q', kWidth],
        ['k', 8],
        ['v', 8],
        ['o', kWidth],
      ].flatMap(([name, rows]) => linear(`${at}self_attn.${name}_proj`, rows, kWidth, false)),
      ...['q_norm', 'k_norm'].flatMap((name) => norm(`${at}self_attn.${name}`, 8, false)),
      ...linear(`${at}mlp.gate_proj`, kInner, kWidth, false),
      ...linear(`${at}mlp.up_proj`, kInner, kWidth, false),
      ...linear(`${at}mlp.down_proj`, kWidth, kInner, false),
      ...['input', 'post_attention', 'pre_feedforward', 'post_feedforward'].flatMap((name) =>
        norm(`${at}${name}_layernorm`, kWidth, false),
      ),
    ]),
  ],
};

const kLfm2Config = {
  model_type: 'lfm2',
  ...{ hidden_size: kWidth, block_ff_dim: 96, block_multiple_of: 32, num_hidden_layers: kLayers },
  ...{ num_attention_heads: kHeads, num_key_value_heads: 2, full_attn_idxs: [1], conv_L_cache: 3 },
  ...{ max_position_embeddings: 128, norm_eps: 1e-5, vocab_size: kByteTokens },
};

const kLfm2Tensors = [
  ['embed_tokens.weight', [kByteTokens, kWidth]],
  ...norm('embedding_norm', kWidth, false),
  ...layers(kLayers, 'layers.', (at, layer) => [
    ...norm(`${at}operator_norm`, kWidth, false),
    ...norm(`${at}ffn_norm`, kWidth, false),
    ...linear(`${at}feed_forward.w1`, kInner, kWidth, false),
    ...linear(`${at}feed_forward.w2`, kWidth, kInner, false),
    ...linear(`${at}feed_forward.w3`, kInner, kWidth, false),
    ...(layer === 1
      ? [
          ...[
            ['q_proj', kWidth],
            ['k_proj', 16],
            ['v_proj', 16],
            ['out_proj', kWidth],
          ].flatMap(([name, rows]) => linear(`${at}self_attn.${name}`, rows, kWidth, false)),
          ...['q', 'k'].flatMap((name) => norm(`${at}self_attn.${name}_layernorm`, 8, false)),
        ]
      : [
          [`${at}conv.conv.weight`, [kWidth, 1, 3]],
          ...linear(`${at}conv.in_proj`, 3 * kWidth, kWidth, false),
          ...linear(`${at}conv.out_proj`, kWidth, kWidth, false),
        ]),
  ]),
];

const kLfm2Embedding = {
  name: 'LFM2-Tiny-Embedding',
  like: 'llama-gqa-rope3',
  pre: 'lfm2',
  files: pooledBy('cls_token'),
  config: {
    ...kLfm2Config,
    architectures: ['Lfm2BidirectionalModel'],
    block_auto_adjust_ff_dim: false,
    block_ff_dim: kInner,
  },
  tensors: kLfm2Tensors,
};

const kSmolVlm = {
  name: 'SmolVLM-Tiny-Instruct',
  like: 'llama-gqa-rope3',
  pre: 'smollm',
  config: {
    architectures: ['SmolVLMForConditionalGeneration'],
    model_type: 'smolvlm',
    ...{ image_token_id: 5, scale_factor: 2, vision_config: { hidden_size: 8, model_type: 'smolvlm_vision' } },
    text_config: {
      architectures: ['VLlama3ForCausalLM'],
      model_type: 'llama',
      ...{ hidden_size: kWidth, intermediate_size: kInner, num_hidden_layers: kLayers, vocab_size: kByteTokens },
      ...{ num_attention_heads: kHeads, num_key_value_heads: 2, max_position_embeddings: 128 },
    },
  },
  tensors: [
    ...linear('lm_head', kByteTokens, kWidth, false),
    ...linear('model.connector.modality_projection.proj', kWidth, 32, false),
    ...linear('model.vision_model.encoder.layers.0.self_attn.q_proj', 8, 8),
    ['model.text_model.embed_tokens.weight', [kByteTokens, kWidth]],
    ...norm('model.text_model.norm', kWidth, false),
    ...layers(kLayers, 'model.text_model.layers.', (at) => [
      ...norm(`${at}input_layernorm`, kWidth, false),
      ...norm(`${at}post_attention_layernorm`, kWidth, false),
      ...[
        ['q', kWidth],
        ['k', 16],
        ['v', 16],
        ['o', kWidth],
      ].flatMap(([name, rows]) => linear(`${at}self_attn.${name}_proj`, rows, kWidth, false)),
      ...linear(`${at}mlp.gate_proj`, kInner, kWidth, false),
      ...linear(`${at}mlp.up_proj`, kInner, kWidth, false),
      ...linear(`${at}mlp.down_proj`, kWidth, kInner, false),
    ]),
  ],
};

/** Models that are not only decoders, as their checkpoints lie on hubs, but tiny. */
export const kOthers = [kT5Small, kFlanT5, kUmt5, kT5Encoder, kGemmaEmbedding, kLfm2Embedding, kSmolVlm];
