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

export interface MlxModel {
  /** What config.json says under `model_type`. */
  readonly types: readonly string[];
  readonly head: Head;
  /** Tensors that the class has no place for. */
  readonly drops?: readonly RegExp[];
  /** Replaced in names, one after the other. */
  readonly renames?: readonly (readonly [RegExp, string])[];
  readonly experts?: Experts;
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
const ROUTER = /\.mlp\.gate$/u;
const CORRECTION = /e_score_correction_bias/u;
const VISION = [/^(vision_tower|multi_modal_projector)\./u];

export const MLX_MODELS: readonly MlxModel[] = [
  { types: ['llama', 'mistral', 'iquestcoder', 'xverse', 'ministral3', 'smollm3'], head: { tiedByDefault: true } },
  { types: ['qwen2', 'starcoder2', 'olmo2', 'glm', 'exaone', 'seed_oss'], head: { tiedByDefault: true } },
  // Small floats cannot hold what these are scaled by.
  {
    types: ['granite'],
    head: { tiedByDefault: true },
    precise: /(^|\.)(self_attn\.o_proj|mlp\.down_proj|lm_head)$/u,
  },
  { types: ['qwen3', 'exaone4', 'ernie4_5', 'helium', 'olmo3'], head: { tiedByDefault: false } },
  { types: ['phi3', 'internlm2', 'internlm3', 'nemotron', 'hunyuan_v1_dense'], head: { tiedByDefault: false } },
  { types: ['mimo'], head: { tiedByDefault: false }, drops: [/^model\.mtp_layers\./u] },
  { types: ['phi', 'stablelm', 'glm4', 'gemma3_text'], head: 'own' },
  { types: ['gemma', 'gemma2', 'cohere2'], head: 'tied' },
  // Its norms of queries and keys have a row for each head.
  { types: ['cohere'], head: 'tied', plain: /\.[qk]_norm$/u },
  {
    types: ['gpt_neox'],
    head: 'own',
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
