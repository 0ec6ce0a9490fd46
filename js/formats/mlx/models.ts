/**
 * Models that mlx-lm opens, as data: what its classes do with the names that transformers has, and which of their weights can
 * be quantized. As mlx-lm 0.32.2 has it; a class that only takes names as they are is a line.
 */

/** Where the output projection comes from. */
type Head =
  /** The embedding; what is called `lm_head` is left out. */
  | 'tied'
  /** config.json says; where it does not, the value is the class's own default. */
  | { readonly tiedByDefault: boolean }
  /** Weights of its own, or whatever the model has. */
  | 'own';

/** Experts that lie one by one in files, and as one tensor in MLX. */
export interface Experts {
  /** Finds the names of one expert's weights: what is before, the number, and which of the expert's matrices. */
  readonly part: RegExp;
  /** What the tensor of all of them is called; `$1` is what was before. */
  readonly whole: string;
  /** Other names that the matrices get. */
  readonly matrices?: Readonly<Record<string, string>>;
}

/** A tensor of all experts of a layer that is cut into several along its rows; of a single name, that gets another one. */
export interface Split {
  /** Finds its name, and what is before. */
  readonly part: RegExp;
  /** The names of the parts, in their order; `$1` is what was before. */
  readonly whole: readonly string[];
}

export interface MlxModel {
  /** What config.json says under `model_type`. */
  readonly types: readonly string[];
  readonly head: Head;
  /** The module that tokens are looked up in, behind `prefix`; default: `model.embed_tokens`. */
  readonly embedding?: string;
  /** The module that makes logits, behind `prefix`; default: `lm_head`. */
  readonly output?: string;
  /** Tensors that the class has no place for. */
  readonly drops?: readonly RegExp[];
  /** Replaced in names, one after the other. */
  readonly renames?: readonly (readonly [RegExp, string])[];
  readonly experts?: Experts;
  readonly splits?: readonly Split[];
  /** Norms to whose weights 1 is added; `needsKernels`: only where kernels of convolutions are as transformers has them. */
  readonly shifts?: { readonly norms: RegExp; readonly needsKernels: boolean };
  /** Layers at the end whose keys and values are those of layers before, where config.json does not say how many. */
  readonly sharedLayers?: number;
  /** Modules that get 8 bits in groups of 64 whatever is asked for, unless a mixture decides. */
  readonly precise?: RegExp;
  /** Modules with a matrix that are no Linear, Embedding or SwitchLinear. */
  readonly plain?: RegExp;
  /** Tensors that keep their type where all others are cast. */
  readonly uncast?: RegExp;
  /** What names of weights must begin with: other files of such models have to be converted by transformers first. */
  readonly prefix?: string;
  /** Whether layers behind those that config.json counts are left out: they predict further tokens. */
  readonly isCut?: true;
  /** The member of config.json that describes the language model; default: config.json itself. */
  readonly config?: string;
}

const MOE: Experts = {
  part: /^(.*\.mlp\.)experts\.(\d+)\.(gate_proj|down_proj|up_proj)\.weight$/u,
  whole: '$1switch_mlp.',
};
const SPARSE_MOE: Experts = {
  part: /^(.*\.block_sparse_moe\.)experts\.(\d+)\.(w1|w2|w3)\.weight$/u,
  whole: '$1switch_mlp.',
  matrices: { w1: 'gate_proj', w2: 'down_proj', w3: 'up_proj' },
};
const QWEN_NORMS = /(\.(input_layernorm|post_attention_layernorm|q_norm|k_norm)|model\.norm)\.weight$/u;
const QWEN_ROUTERS = /(\.mlp\.gate|shared_expert_gate)$/u;
const QWEN_3_5: Omit<MlxModel, 'types'> = {
  head: { tiedByDefault: false },
  renames: [
    [/^model\.language_model\./u, 'language_model.model.'],
    [/^(?!language_model\.)/u, 'language_model.'],
  ],
  drops: [/^language_model\.(vision_tower|model\.visual)/u, /mtp\./u],
  shifts: { norms: QWEN_NORMS, needsKernels: true },
  precise: QWEN_ROUTERS,
  uncast: /A_log$/u,
  prefix: 'language_model.',
  config: 'text_config',
};
const GEMMA_4: Omit<MlxModel, 'types'> = {
  head: { tiedByDefault: true },
  drops: [
    /self_attn\.rotary_emb|(in|out)put_(max|min)/u,
    /^(vision_tower|multi_modal_projector|audio_tower|embed_audio|embed_vision|vision_embedder)/u,
  ],
  splits: [
    {
      part: /^(.*\.experts)\.gate_up_proj$/u,
      whole: ['$1.switch_glu.gate_proj.weight', '$1.switch_glu.up_proj.weight'],
    },
    { part: /^(.*\.experts)\.down_proj$/u, whole: ['$1.switch_glu.down_proj.weight'] },
  ],
  precise: /router\.proj$/u,
  sharedLayers: 20,
};
/** Small floats cannot hold what these are scaled by. */
const GRANITE_PROJECTIONS = /(block_sparse_moe\.router\.layer|self_attn\.o_proj|mlp\.down_proj)$|^lm_head$/u;
const ROUTER = /\.mlp\.gate$/u;
const CORRECTION = /e_score_correction_bias/u;
const VISION = [/^(vision_tower|multi_modal_projector)\./u];

export const MLX_MODELS: readonly MlxModel[] = [
  { types: ['llama', 'mistral', 'iquestcoder', 'xverse', 'ministral3', 'smollm3'], head: { tiedByDefault: true } },
  { types: ['qwen2', 'starcoder2', 'olmo2', 'glm', 'seed_oss'], head: { tiedByDefault: true } },
  { types: ['exaone'], head: { tiedByDefault: true }, embedding: 'transformer.wte' },
  {
    types: ['granite'],
    head: { tiedByDefault: true },
    precise: GRANITE_PROJECTIONS,
  },
  { types: ['qwen3', 'exaone4', 'ernie4_5', 'helium', 'olmo3'], head: { tiedByDefault: false } },
  { types: ['phi3', 'internlm3', 'nemotron', 'hunyuan_v1_dense'], head: { tiedByDefault: false } },
  {
    types: ['internlm2'],
    ...{ head: { tiedByDefault: false }, embedding: 'model.tok_embeddings', output: 'output' },
  },
  { types: ['mimo'], head: { tiedByDefault: false }, drops: [/^model\.mtp_layers\./u] },
  { types: ['phi', 'stablelm', 'glm4', 'gemma3_text'], head: 'own' },
  { types: ['gemma', 'gemma2', 'cohere2'], head: 'tied' },
  // Its norms of queries and keys have a row for each head.
  { types: ['cohere'], head: 'tied', plain: /\.[qk]_norm$/u },
  {
    types: ['gpt_neox'],
    ...{ head: 'own', embedding: 'model.embed_in' },
    drops: [/\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/u],
    renames: [
      [/^(?!model\.)/u, 'model.'],
      [/\.gpt_neox\.layers\./u, '.h.'],
      [/\.gpt_neox\./u, '.'],
    ],
  },
  { types: ['mixtral'], head: { tiedByDefault: false }, experts: SPARSE_MOE },
  { types: ['phimoe'], head: 'own', experts: SPARSE_MOE },
  { types: ['qwen2_moe'], head: 'own', experts: MOE },
  { types: ['olmoe'], head: { tiedByDefault: true }, experts: MOE },
  { types: ['qwen3_moe'], head: { tiedByDefault: false }, experts: MOE, precise: ROUTER },
  { types: ['deepseek', 'deepseek_v2'], head: 'own', experts: MOE, plain: ROUTER },
  {
    types: ['dots1'],
    head: { tiedByDefault: false },
    experts: { ...MOE, whole: '$1experts.' },
    plain: ROUTER,
  },
  {
    types: ['ernie4_5_moe'],
    head: { tiedByDefault: false },
    experts: MOE,
    drops: [/mtp_(block|linear_proj|hidden_norm|emb_norm)\./u, CORRECTION],
  },
  { types: ['glm4_moe'], head: 'own', experts: MOE, plain: ROUTER, uncast: CORRECTION, isCut: true },
  {
    types: ['granitemoe'],
    head: { tiedByDefault: true },
    splits: [
      {
        part: /^(.*\.block_sparse_moe)\.input_linear\.weight$/u,
        whole: ['$1.switch_mlp.gate_proj.weight', '$1.switch_mlp.up_proj.weight'],
      },
      { part: /^(.*\.block_sparse_moe)\.output_linear\.weight$/u, whole: ['$1.switch_mlp.down_proj.weight'] },
    ],
    precise: GRANITE_PROJECTIONS,
  },
  {
    types: ['qwen3_next'],
    head: { tiedByDefault: false },
    drops: [/mtp\./u],
    experts: MOE,
    shifts: { norms: QWEN_NORMS, needsKernels: false },
    precise: QWEN_ROUTERS,
  },
  { types: ['qwen3_5'], ...QWEN_3_5 },
  {
    types: ['qwen3_5_moe'],
    ...QWEN_3_5,
    splits: [
      {
        part: /^(.*\.mlp)\.experts\.gate_up_proj$/u,
        whole: ['$1.switch_mlp.gate_proj.weight', '$1.switch_mlp.up_proj.weight'],
      },
      { part: /^(.*\.mlp)\.experts\.down_proj$/u, whole: ['$1.switch_mlp.down_proj.weight'] },
    ],
  },
  { types: ['gemma4_text'], ...GEMMA_4 },
  {
    types: ['gemma4', 'gemma4_unified'],
    ...GEMMA_4,
    renames: [
      [/^model\.language_model\./u, 'language_model.model.'],
      [/^model\./u, ''],
    ],
    prefix: 'language_model.',
    config: 'text_config',
  },
  { types: ['gemma3'], head: 'own', drops: VISION, prefix: 'language_model.', config: 'text_config' },
  {
    types: ['mistral3'],
    head: { tiedByDefault: false },
    drops: VISION,
    prefix: 'language_model.',
    config: 'text_config',
  },
];

/** What no class has a place for: rotary frequencies, which are computed. */
export const COMPUTED = /\.(rotary_emb|rope)\.inv_freq$/u;

/** A model of any kind: names as they are, matrices whose names say that they are norms left alone. */
export const ANY_MODEL: MlxModel = { types: ['none'], head: 'own', plain: /(^|[._])norm|layernorm|(^|\.)ln_/iu };
