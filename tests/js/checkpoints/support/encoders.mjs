import { layers, linear, norm, pooledBy } from './described.mjs';

const kWidth = 32;
const kInner = 64;
const kHeads = 4;
const kLayers = 2;

/** Tokens of the cases whose tokenizers these models have. */
const kWordPieces = 640;
const kByteTokens = 330;
const kPieces = 262;

const kBert = {
  model_type: 'bert',
  hidden_size: kWidth,
  intermediate_size: kInner,
  num_attention_heads: kHeads,
  num_hidden_layers: kLayers,
  vocab_size: kWordPieces,
  max_position_embeddings: 40,
};

const embeddings = (vocabulary, types, positions) => [
  ['embeddings.word_embeddings.weight', [vocabulary, kWidth]],
  ...(types === 0 ? [] : [['embeddings.token_type_embeddings.weight', [types, kWidth]]]),
  ...(positions === 0 ? [] : [['embeddings.position_embeddings.weight', [positions, kWidth]]]),
  ...norm('embeddings.LayerNorm', kWidth),
];

const bertLayers = layers(kLayers, 'encoder.layer.', (at) => [
  ...['self.query', 'self.key', 'self.value', 'output.dense'].flatMap((name) =>
    linear(`${at}attention.${name}`, kWidth, kWidth),
  ),
  ...norm(`${at}attention.output.LayerNorm`, kWidth),
  ...linear(`${at}intermediate.dense`, kInner, kWidth),
  ...linear(`${at}output.dense`, kWidth, kInner),
  ...norm(`${at}output.LayerNorm`, kWidth),
]);

const within = (prefix, tensors) => tensors.map(([name, shape]) => [`${prefix}${name}`, shape]);

const kCrossEncoder = {
  name: 'ms-tiny-cross-encoder-L-2-v2',
  like: 'bert-st',
  pre: 'jina-v2-en',
  config: {
    ...kBert,
    architectures: ['BertForSequenceClassification'],
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
  },
  tensors: [
    ...within(
      'bert.',
      [...embeddings(kWordPieces, 2, 40), ...bertLayers, ...linear('pooler.dense', kWidth, kWidth)].map(
        // The names of norms in the first models of the kind.
        ([name, shape]) => [name.replace('Norm.weight', 'Norm.gamma').replace('Norm.bias', 'Norm.beta'), shape],
      ),
    ),
    ...linear('classifier', 1, kWidth),
  ],
};

const kMaskedWords = {
  name: 'tiny-bert-uncased',
  like: 'bert-st',
  pre: 'jina-v2-en',
  config: { ...kBert, architectures: ['BertForMaskedLM'] },
  tensors: [
    ...within('bert.', [...embeddings(kWordPieces, 2, 40), ...bertLayers]),
    ['cls.predictions.bias', [kWordPieces]],
    ...linear('cls.predictions.transform.dense', kWidth, kWidth),
    ...linear('cls.seq_relationship', 2, kWidth),
  ],
};

const kDistilBert = {
  name: 'distil-tiny-sst-2',
  like: 'bert-st',
  pre: 'jina-v2-en',
  config: {
    model_type: 'distilbert',
    architectures: ['DistilBertForSequenceClassification'],
    ...{ dim: kWidth, hidden_dim: kInner, n_heads: kHeads, n_layers: kLayers },
    ...{ vocab_size: kWordPieces, max_position_embeddings: 40 },
    id2label: { 0: 'NEGATIVE', 1: 'POSITIVE' },
  },
  tensors: [
    ...within('distilbert.', embeddings(kWordPieces, 0, 40)),
    ...layers(kLayers, 'distilbert.transformer.layer.', (at) => [
      ...['q_lin', 'k_lin', 'v_lin', 'out_lin'].flatMap((name) => linear(`${at}attention.${name}`, kWidth, kWidth)),
      ...norm(`${at}sa_layer_norm`, kWidth),
      ...linear(`${at}ffn.lin1`, kInner, kWidth),
      ...linear(`${at}ffn.lin2`, kWidth, kInner),
      ...norm(`${at}output_layer_norm`, kWidth),
    ]),
    ...linear('pre_classifier', kWidth, kWidth),
    ...linear('classifier', 2, kWidth),
  ],
};

const kReranker = {
  name: 'bge-tiny-reranker-v2',
  like: 'xlm-roberta',
  without: ['sentencepiece.bpe.model'],
  config: {
    ...kBert,
    model_type: 'xlm-roberta',
    architectures: ['XLMRobertaForSequenceClassification'],
    ...{ vocab_size: kPieces, max_position_embeddings: 42, type_vocab_size: 1, pad_token_id: 1, layer_norm_eps: 1e-5 },
    id2label: { 0: 'LABEL_0' },
  },
  tensors: [
    ...within('roberta.', [...embeddings(kPieces, 1, 42), ...bertLayers]),
    ...linear('classifier.dense', kWidth, kWidth),
    ...linear('classifier.out_proj', 1, kWidth),
  ],
};

const kNomic = {
  model_type: 'nomic_bert',
  architectures: ['NomicBertModel'],
  ...{ n_embd: kWidth, n_inner: kInner, n_head: kHeads, n_layer: kLayers, n_positions: 8192 },
  ...{ activation_function: 'swiglu', causal: false, prenorm: false, layer_norm_epsilon: 1e-12 },
  ...{ qkv_proj_bias: false, mlp_fc1_bias: false, mlp_fc2_bias: false, max_trained_positions: 2048 },
  ...{ rotary_emb_base: 1000, rotary_emb_fraction: 1.0, rotary_emb_interleaved: false, rotary_emb_scale_base: null },
  ...{ type_vocab_size: 2, vocab_size: kWordPieces },
};

const nomicAround = (vocabulary, types) => [
  ...embeddings(vocabulary, types, 0).filter(([name]) => !name.includes('LayerNorm')),
  ...norm('emb_ln', kWidth),
];

const nomicAttention = (at, bias) => [
  ...linear(`${at}attn.Wqkv`, 3 * kWidth, kWidth, bias),
  ...linear(`${at}attn.out_proj`, kWidth, kWidth, bias),
  ...norm(`${at}norm1`, kWidth),
  ...norm(`${at}norm2`, kWidth),
];

const kNomicBert = {
  name: 'nomic-tiny-embed-text-v1.5',
  like: 'bert-st',
  pre: 'jina-v2-en',
  files: pooledBy('mean_tokens'),
  config: kNomic,
  tensors: [
    ...nomicAround(kWordPieces, 2),
    ...layers(kLayers, 'encoder.layers.', (at) => [
      ...nomicAttention(at, false),
      ...linear(`${at}mlp.fc11`, kInner, kWidth, false),
      ...linear(`${at}mlp.fc12`, kInner, kWidth, false),
      ...linear(`${at}mlp.fc2`, kWidth, kInner, false),
    ]),
  ],
};

const kExperts = 4;

const kNomicBertMoe = {
  name: 'nomic-tiny-embed-text-v2-moe',
  like: 'xlm-roberta',
  without: ['sentencepiece.bpe.model'],
  files: pooledBy('mean_tokens'),
  config: {
    ...kNomic,
    ...{ activation_function: 'gelu', qkv_proj_bias: true, mlp_fc1_bias: true, mlp_fc2_bias: true },
    ...{ moe_every_n_layers: 2, moe_top_k: 2, num_experts: kExperts, n_positions: 2048 },
    ...{ pad_token_id: 1, type_vocab_size: 1, vocab_size: kPieces },
  },
  tensors: [
    ...nomicAround(kPieces, 1),
    ...layers(kLayers, 'encoder.layers.', (at, layer) => [
      ...nomicAttention(at, true),
      ...(layer % 2 === 1
        ? [
            [`${at}mlp.experts.bias`, [kWidth]],
            [`${at}mlp.experts.mlp.w1`, [kExperts * kInner, kWidth]],
            [`${at}mlp.experts.mlp.w2`, [kExperts * kInner, kWidth]],
            ...linear(`${at}mlp.router.layer`, kExperts, kWidth, false),
          ]
        : [...linear(`${at}mlp.fc1`, kInner, kWidth), ...linear(`${at}mlp.fc2`, kWidth, kInner)]),
    ]),
  ],
};

const jinaLayers = (ofLayer) =>
  layers(kLayers, 'encoder.layer.', (at) => [
    ...['self.query', 'self.key', 'self.value', 'output.dense'].flatMap((name) =>
      linear(`${at}attention.${name}`, kWidth, kWidth),
    ),
    ...norm(`${at}attention.output.LayerNorm`, kWidth),
    ...ofLayer(at),
  ]);

const kJinaBert = {
  ...kBert,
  architectures: ['JinaBertForMaskedLM'],
  ...{ max_position_embeddings: 8192, position_embedding_type: 'alibi', type_vocab_size: 2 },
};

const kJinaBert2 = {
  name: 'jina-tiny-embeddings-v2',
  like: 'bert-st',
  pre: 'jina-v2-en',
  files: pooledBy('mean_tokens'),
  config: kJinaBert,
  tensors: within('bert.', [
    ...embeddings(kWordPieces, 2, 0),
    ...jinaLayers((at) => [
      ...linear(`${at}mlp.gated_layers`, 2 * kInner, kWidth, false),
      ...linear(`${at}mlp.wo`, kWidth, kInner),
      ...norm(`${at}mlp.layernorm`, kWidth),
    ]),
  ]),
};

const kJinaCode = {
  name: 'jina-tiny-embeddings-v2-code',
  like: 'roberta',
  pre: 'jina-v2-code',
  config: { ...kJinaBert, architectures: ['JinaBertModel'], vocab_size: kByteTokens + 1 },
  tensors: [
    ...embeddings(kByteTokens + 1, 2, 0),
    ...jinaLayers((at) => [
      ...norm(`${at}attention.self.layer_norm_q`, kWidth),
      ...norm(`${at}attention.self.layer_norm_k`, kWidth),
      ...norm(`${at}layer_norm_1`, kWidth),
      ...norm(`${at}layer_norm_2`, kWidth),
      ...linear(`${at}mlp.up_gated_layer`, 2 * kInner, kWidth, false),
      ...linear(`${at}mlp.down_layer`, kWidth, kInner),
    ]),
  ],
};

const kTasks = ['retrieval.query', 'separation'];

/** A projection that an adapter for each task changes. */
const adapted = (name, rows, columns) => [
  [`${name}.parametrizations.weight.original`, [rows, columns]],
  [`${name}.parametrizations.weight.0.lora_A`, [kTasks.length, 4, columns]],
  [`${name}.parametrizations.weight.0.lora_B`, [kTasks.length, rows, 4]],
];

const kJinaBert3 = {
  name: 'jina-tiny-embeddings-v3',
  like: 'xlm-roberta',
  without: ['sentencepiece.bpe.model'],
  files: pooledBy('mean_tokens'),
  config: {
    ...kReranker.config,
    architectures: ['XLMRobertaModel'],
    ...{ max_position_embeddings: 8194, rotary_emb_base: 20_000.0, position_embedding_type: 'rotary' },
    ...{ lora_adaptations: kTasks, lora_alpha: 1, lora_rank: 4, id2label: undefined },
  },
  tensors: within('roberta.', [
    ...norm('emb_ln', kWidth),
    // Adapters of embeddings are turned around.
    ['embeddings.word_embeddings.parametrizations.weight.original', [kPieces, kWidth]],
    ['embeddings.word_embeddings.parametrizations.weight.0.lora_A', [kTasks.length, 4, kPieces]],
    ['embeddings.word_embeddings.parametrizations.weight.0.lora_B', [kTasks.length, kWidth, 4]],
    ...adapted('embeddings.token_type_embeddings', 1, kWidth),
    ...layers(kLayers, 'encoder.layers.', (at) => [
      ...[
        ['mixer.Wqkv', 3 * kWidth, kWidth],
        ['mixer.out_proj', kWidth, kWidth],
        ['mlp.fc1', kInner, kWidth],
        ['mlp.fc2', kWidth, kInner],
      ].flatMap(([name, rows, columns]) => [...adapted(`${at}${name}`, rows, columns), [`${at}${name}.bias`, [rows]]]),
      ...norm(`${at}norm1`, kWidth),
      ...norm(`${at}norm2`, kWidth),
    ]),
    ...adapted('pooler.dense', kWidth, kWidth),
    ['pooler.dense.bias', [kWidth]],
  ]),
};

const kNeoBert = {
  name: 'NeoBERT-tiny',
  like: 'bert-st',
  pre: 'jina-v2-en',
  config: {
    architectures: ['NeoBERTLMHead'],
    model_type: 'neobert',
    ...{ hidden_size: kWidth, intermediate_size: 96, num_attention_heads: kHeads, num_hidden_layers: kLayers },
    ...{ max_length: 4096, norm_eps: 1e-5, vocab_size: kWordPieces },
  },
  tensors: [
    ['model.encoder.weight', [kWordPieces, kWidth]],
    ...norm('model.layer_norm', kWidth, false),
    ...linear('decoder', kWordPieces, kWidth),
    ...layers(kLayers, 'model.transformer_encoder.', (at) => [
      ...linear(`${at}qkv`, 3 * kWidth, kWidth, false),
      ...linear(`${at}wo`, kWidth, kWidth, false),
      ...linear(`${at}ffn.w12`, 2 * kInner, kWidth, false),
      ...linear(`${at}ffn.w3`, kWidth, kInner, false),
      ...norm(`${at}attention_norm`, kWidth, false),
      ...norm(`${at}ffn_norm`, kWidth, false),
    ]),
  ],
};

const kEuroBert = {
  name: 'EuroBERT-tiny',
  like: 'modernbert',
  pre: 'llama-bpe',
  files: pooledBy('lasttoken'),
  config: {
    architectures: ['EuroBertModel'],
    model_type: 'eurobert',
    ...{ hidden_size: kWidth, intermediate_size: kInner, num_attention_heads: kHeads, num_key_value_heads: 2 },
    ...{ num_hidden_layers: kLayers, head_dim: 8, max_position_embeddings: 8192, vocab_size: kByteTokens + 7 },
    ...{ rms_norm_eps: 1e-5, rope_theta: 250_000, rope_scaling: null },
  },
  tensors: [
    ['model.embed_tokens.weight', [kByteTokens + 7, kWidth]],
    ...norm('model.norm', kWidth, false),
    ...layers(kLayers, 'model.layers.', (at) => [
      ...[
        ['q', kWidth],
        ['k', 16],
        ['v', 16],
        ['o', kWidth],
      ].flatMap(([name, rows]) => linear(`${at}self_attn.${name}_proj`, rows, kWidth, false)),
      ...linear(`${at}mlp.gate_proj`, kInner, kWidth, false),
      ...linear(`${at}mlp.up_proj`, kInner, kWidth, false),
      ...linear(`${at}mlp.down_proj`, kWidth, kInner, false),
      ...norm(`${at}input_layernorm`, kWidth, false),
      ...norm(`${at}post_attention_layernorm`, kWidth, false),
    ]),
  ],
};

const kModernReranker = {
  name: 'modernbert-tiny-reranker',
  like: 'modernbert',
  pre: 'modern-bert',
  config: {
    ...kBert,
    architectures: ['ModernBertForSequenceClassification'],
    model_type: 'modernbert',
    ...{ vocab_size: kByteTokens + 7, layer_norm_eps: 1e-5, hidden_activation: 'silu', id2label: { 0: 'LABEL_0' } },
  },
  tensors: [
    ['model.embeddings.tok_embeddings.weight', [kByteTokens + 7, kWidth]],
    ...norm('model.embeddings.norm', kWidth, false),
    ...norm('model.final_norm', kWidth, false),
    ...layers(kLayers, 'model.layers.', (at, layer) => [
      ...(layer === 0 ? [] : norm(`${at}attn_norm`, kWidth, false)),
      ...linear(`${at}attn.Wqkv`, 3 * kWidth, kWidth, false),
      ...linear(`${at}attn.Wo`, kWidth, kWidth, false),
      ...norm(`${at}mlp_norm`, kWidth, false),
      ...linear(`${at}mlp.Wi`, 2 * kInner, kWidth, false),
      ...linear(`${at}mlp.Wo`, kWidth, kInner, false),
    ]),
    ...linear('head.dense', kWidth, kWidth, false),
    ...norm('head.norm', kWidth, false),
    ...linear('classifier', 1, kWidth),
  ],
};

/** Encoders of every kind, as their checkpoints lie on hubs, but tiny. */
export const kEncoders = [
  kCrossEncoder,
  kMaskedWords,
  kDistilBert,
  kReranker,
  kNomicBert,
  kNomicBertMoe,
  kJinaBert2,
  kJinaCode,
  kJinaBert3,
  kNeoBert,
  kEuroBert,
  kModernReranker,
];
