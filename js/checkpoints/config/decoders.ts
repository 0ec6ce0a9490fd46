import { kind, type Kind } from './kind.js';
import {
  longScaling,
  mixedScaling,
  plainScaling,
  ropeKeys,
  ropeType,
  rotatedRopeKeys,
  scalingUnlessGiven,
} from './rope-rules.js';
import * as rules from './rules.js';

const { everyNthIsFull, headDim, keyValueHeads, upperLayersSlide, usedWindow } = rules;

const GPT2_NAMES = {
  hidden_size: 'n_embd',
  max_position_embeddings: 'n_positions',
  num_attention_heads: 'n_head',
  num_hidden_layers: 'n_layer',
};

const GPT2 = 'n_positions=1024 n_embd=768 n_layer=12 n_head=12 n_inner=null layer_norm_epsilon=1e-5';

const GRANITE =
  'rms_norm_eps=1e-6 embedding_multiplier=1 logits_scaling=1 residual_multiplier=1 attention_multiplier=1';

const APERTUS = scalingUnlessGiven({
  rope_type: 'llama3',
  factor: 8,
  original_max_position_embeddings: 8192,
  low_freq_factor: 1,
  high_freq_factor: 4,
});

const GPT_OSS = scalingUnlessGiven({
  rope_type: 'yarn',
  factor: 32,
  beta_fast: 32,
  beta_slow: 1,
  truncate: false,
  original_max_position_embeddings: 4096,
});

/** Models that go on with a text. */
export const DECODERS: Readonly<Record<string, Kind>> = {
  apertus: kind('131072 4096 14336 32 32 null 65536 12e6 3 false', 'rms_norm_eps=1e-5', [
    APERTUS,
    keyValueHeads,
    ropeType,
    ropeKeys,
  ]),
  arcee: kind('32000 2560 18432 32 32 null 4096 1e4 null false', 'rms_norm_eps=1e-5 head_dim=null rope_scaling=null', [
    keyValueHeads,
    headDim,
    ropeType,
    ropeKeys,
  ]),
  bitnet: kind('128256 2560 6912 30 20 5 2048 5e5 null false', 'rms_norm_eps=1e-5', [keyValueHeads]),
  bloom: kind('250880 64 - - - - - - null true', 'n_layer=2 n_head=8 layer_norm_epsilon=1e-5', [rules.oldHiddenSize], {
    num_hidden_layers: 'n_layer',
    num_attention_heads: 'n_head',
  }),
  cohere: kind(
    '256000 8192 22528 40 64 null 8192 1e4 0 true',
    'logit_scale=0.0625 layer_norm_eps=1e-5 rope_scaling=null',
    [keyValueHeads, ropeKeys],
  ),
  cohere2: kind(
    '256000 8192 22528 40 64 null 8192 1e4 0 true',
    'logit_scale=0.0625 layer_norm_eps=1e-5 sliding_window=4096 rope_scaling=null',
    [keyValueHeads, rules.headDimUnlessGiven, ropeKeys, everyNthIsFull(4, 'sliding_window_pattern')],
  ),
  deepseek_v2: kind(
    '32000 4096 11008 32 32 null 2048 1e4 null false',
    'rms_norm_eps=1e-6 first_k_dense_replace=0 kv_lora_rank=512 q_lora_rank=1536 n_group=null n_routed_experts=64 n_shared_experts=2 qk_nope_head_dim=128 qk_rope_head_dim=64 routed_scaling_factor=1 topk_group=null topk_method=greedy v_head_dim=128 num_experts_per_tok=null norm_topk_prob=false moe_intermediate_size=1407 rope_scaling=null',
    [keyValueHeads, rules.rotatedHeadDim, ropeType, ropeKeys],
  ),
  deepseek_v3: kind(
    '129280 7168 18432 61 128 128 4096 1e4 null false',
    'moe_intermediate_size=2048 n_shared_experts=1 n_routed_experts=256 routed_scaling_factor=2.5 kv_lora_rank=512 q_lora_rank=1536 qk_rope_head_dim=64 v_head_dim=128 qk_nope_head_dim=128 n_group=8 topk_group=4 num_experts_per_tok=8 first_k_dense_replace=3 norm_topk_prob=true rms_norm_eps=1e-6 rope_scaling=null',
    [keyValueHeads, rules.rotatedHeadDimUnlessGiven, ropeType, ropeKeys],
  ),
  dots1: kind(
    '152064 4608 10944 62 32 32 2048 1e4 null false',
    'moe_intermediate_size=1408 n_shared_experts=null n_routed_experts=null n_group=1 topk_group=1 num_experts_per_tok=null first_k_dense_replace=0 norm_topk_prob=false rms_norm_eps=1e-6 routed_scaling_factor=1 sliding_window=4096 rope_scaling=null',
    [keyValueHeads, upperLayersSlide(62)],
  ),
  ernie4_5: kind('103424 1024 3072 18 16 2 131072 5e5 0 true', 'rms_norm_eps=1e-5 head_dim=128 rope_scaling=null', [
    keyValueHeads,
    headDim,
    ropeType,
    ropeKeys,
  ]),
  ernie4_5_moe: kind(
    '103424 2560 12288 28 20 4 131072 5e5 0 true',
    'rms_norm_eps=1e-5 moe_intermediate_size=1536 moe_k=6 moe_num_experts=64 moe_num_shared_experts=2 moe_layer_start_index=1 moe_layer_interval=1 rope_scaling=null',
    [ropeType, ropeKeys],
    { num_experts: 'moe_num_experts', num_experts_per_tok: 'moe_k' },
  ),
  exaone4: kind(
    '102400 4096 16384 32 32 32 2048 1e4 null false',
    'rms_norm_eps=1e-5 sliding_window=4096 sliding_window_pattern=4 rope_scaling=null',
    [rules.windowOrTypes, everyNthIsFull(4, 'sliding_window_pattern')],
  ),
  falcon: kind(
    '65024 4544 - 32 71 - 2048 1e4 null true',
    'layer_norm_epsilon=1e-5 num_kv_heads=null ffn_hidden_size=null rope_scaling=null',
    [rules.falconHeads, rules.oldHiddenSize],
  ),
  falcon_mamba: kind(
    '50280 768 - 32 - - - - 0 true',
    'state_size=16 layer_norm_epsilon=1e-5 expand=2 conv_kernel=4 time_step_rank=auto',
    [rules.expandedSize, rules.timeStepRank],
  ),
  gemma: kind('256000 3072 24576 28 16 16 8192 1e4 0 true', 'head_dim=256 rms_norm_eps=1e-6'),
  gemma2: kind(
    '256000 2304 9216 26 8 4 8192 1e4 0 true',
    'head_dim=256 rms_norm_eps=1e-6 sliding_window=4096 final_logit_softcapping=30 attn_logit_softcapping=50',
    [everyNthIsFull(2)],
  ),
  gemma3_text: kind(
    '262208 2304 9216 26 8 4 131072 1e6 0 true',
    'head_dim=256 rms_norm_eps=1e-6 sliding_window=4096 final_logit_softcapping=null attn_logit_softcapping=null rope_local_base_freq=1e4 use_bidirectional_attention=false rope_scaling=null',
    [rules.windowOnBothSides, ropeKeys, everyNthIsFull(6, 'sliding_window_pattern')],
  ),
  glm: kind(
    '151552 4096 13696 40 32 2 131072 1e4 151329 false',
    'partial_rotary_factor=0.5 head_dim=128 rms_norm_eps=1.5625e-7',
  ),
  glm4: kind(
    '151552 4096 13696 40 32 2 131072 1e4 151329 false',
    'partial_rotary_factor=0.5 head_dim=128 rms_norm_eps=1.5625e-7',
  ),
  glm4_moe: kind(
    '151552 4096 10944 46 96 8 131072 1e4 null false',
    'partial_rotary_factor=0.5 rms_norm_eps=1e-5 moe_intermediate_size=1408 num_experts_per_tok=8 n_shared_experts=1 n_routed_experts=128 routed_scaling_factor=1 n_group=1 topk_group=1 first_k_dense_replace=1 norm_topk_prob=true rope_scaling=null',
    [ropeType, ropeKeys],
  ),
  'gpt-sw3': kind('50257 - - - - - - - null true', GPT2, [], GPT2_NAMES),
  gpt2: kind('50257 - - - - - - - null true', GPT2, [], GPT2_NAMES),
  gpt_bigcode: kind('50257 - - - - - - - null true', GPT2, [rules.multiQuery], GPT2_NAMES),
  gpt_neox: kind(
    '50432 6144 24576 44 64 - 2048 - null false',
    'rotary_pct=0.25 rotary_emb_base=10000 layer_norm_eps=1e-5 use_parallel_residual=true rope_scaling=null',
    [rules.neoxRotation, ropeType, ropeKeys, rules.evenHeads],
  ),
  gpt_oss: kind(
    '201088 2880 2880 36 64 8 131072 15e4 null false',
    'num_local_experts=128 head_dim=64 sliding_window=128 rms_norm_eps=1e-5 num_experts_per_tok=4',
    [GPT_OSS, keyValueHeads, headDim, everyNthIsFull(2), ropeType, ropeKeys],
  ),
  granite: kind('32000 4096 11008 32 32 null 2048 1e4 null false', `${GRANITE} rope_scaling=null`, [
    keyValueHeads,
    ropeKeys,
  ]),
  granitemoe: kind(
    '32000 4096 11008 32 32 null 2048 1e4 null false',
    `${GRANITE} num_local_experts=8 num_experts_per_tok=2 rope_scaling=null`,
    [keyValueHeads, ropeKeys],
  ),
  granitemoehybrid: kind(
    '32000 4096 11008 32 32 null 2048 1e4 null false',
    `${GRANITE} num_local_experts=8 num_experts_per_tok=2 shared_intermediate_size=1024 position_embedding_type=null layer_types=null mamba_n_heads=128 mamba_n_groups=1 mamba_d_state=256 mamba_d_head=auto mamba_d_conv=4 mamba_expand=2 rope_scaling=null`,
    [keyValueHeads, rules.mambaHeads, rules.mambaLayers, rotatedRopeKeys],
    { layers_block_type: 'layer_types' },
  ),
  granitemoeshared: kind(
    '32000 4096 11008 32 32 null 2048 1e4 null false',
    `${GRANITE} num_local_experts=8 num_experts_per_tok=2 shared_intermediate_size=0 rope_scaling=null`,
    [keyValueHeads, ropeKeys],
  ),
  hunyuan_v1_dense: kind(
    '290943 4096 11008 32 32 null 2048 1e4 0 false',
    'rms_norm_eps=1e-5 head_dim=null rope_scaling=null',
    [keyValueHeads],
  ),
  hunyuan_v1_moe: kind(
    '290943 4096 11008 32 32 null 2048 1e4 0 false',
    'rms_norm_eps=1e-5 num_experts=1 moe_topk=1 head_dim=null rope_scaling=null',
    [keyValueHeads],
  ),
  lfm2: kind(
    '65536 2560 12288 32 32 8 128000 1e6 0 true',
    'norm_eps=1e-5 conv_L_cache=3 block_multiple_of=256 block_ffn_dim_multiplier=1 block_auto_adjust_ff_dim=true',
    [rules.convolutions],
  ),
  llama: kind('32000 4096 11008 32 32 null 2048 1e4 null false', 'rms_norm_eps=1e-6 head_dim=null rope_scaling=null', [
    keyValueHeads,
    headDim,
    ropeType,
    ropeKeys,
  ]),
  mamba: kind(
    '50280 768 - 32 - - - - 0 true',
    'state_size=16 layer_norm_epsilon=1e-5 expand=2 conv_kernel=4 time_step_rank=auto',
    [rules.expandedSize, rules.timeStepRank],
  ),
  mamba2: kind(
    '32768 4096 - 64 - - - - 1 false',
    'num_heads=128 head_dim=64 state_size=128 layer_norm_epsilon=1e-5 expand=2 conv_kernel=4 n_groups=8 time_step_rank=auto',
    [rules.headsOfExpandedSize, rules.timeStepRank],
  ),
  ministral: kind(
    '32000 4096 14336 32 32 8 131072 1e4 null false',
    'head_dim=null rms_norm_eps=1e-6 sliding_window=4096',
    [keyValueHeads, rules.allSlide],
  ),
  mistral: kind(
    '32000 4096 14336 32 32 8 131072 1e4 null false',
    'head_dim=null rms_norm_eps=1e-6 sliding_window=4096',
    [keyValueHeads],
  ),
  mixtral: kind(
    '32000 4096 14336 32 32 8 131072 1e6 null false',
    'head_dim=null rms_norm_eps=1e-5 sliding_window=null num_experts_per_tok=2 num_local_experts=8',
    [keyValueHeads],
  ),
  nemotron: kind(
    '256000 6144 24576 32 48 null 4096 1e4 null false',
    'head_dim=null norm_eps=1e-5 partial_rotary_factor=0.5',
    [headDim],
  ),
  olmo: kind('50304 4096 11008 32 32 null 2048 1e4 1 false', 'clip_qkv=null rope_scaling=null', [
    keyValueHeads,
    plainScaling,
  ]),
  olmo2: kind('50304 4096 11008 32 32 null 2048 1e4 1 false', 'rms_norm_eps=1e-5 rope_scaling=null', [
    keyValueHeads,
    plainScaling,
  ]),
  olmo3: kind(
    '50304 4096 11008 32 32 null 2048 1e4 1 false',
    'rms_norm_eps=1e-5 sliding_window=4096 rope_scaling=null',
    [keyValueHeads, ropeKeys, rules.everyFourthIsFull],
  ),
  olmoe: kind(
    '50304 2048 2048 16 16 null 4096 1e4 1 false',
    'rms_norm_eps=1e-5 clip_qkv=null num_experts_per_tok=8 num_experts=64 norm_topk_prob=false rope_scaling=null',
    [keyValueHeads, ropeType, ropeKeys],
  ),
  phi: kind(
    '51200 2048 8192 24 32 null 2048 1e4 null false',
    'layer_norm_eps=1e-5 partial_rotary_factor=0.5 rope_scaling=null',
    [keyValueHeads, ropeType, ropeKeys],
  ),
  phi3: kind(
    '32064 3072 8192 32 32 null 4096 1e4 32000 false',
    'original_max_position_embeddings=4096 rms_norm_eps=1e-5 partial_rotary_factor=1 sliding_window=null rope_scaling=null',
    [keyValueHeads, longScaling],
  ),
  phimoe: kind(
    '32064 4096 6400 32 32 8 131072 1e6 null false',
    'rms_norm_eps=1e-5 sliding_window=null num_experts_per_tok=2 num_local_experts=16 rope_scaling=null',
    [keyValueHeads, mixedScaling, ropeKeys],
  ),
  qwen2: kind(
    '151936 4096 22016 32 32 32 32768 1e4 null false',
    'rms_norm_eps=1e-6 use_sliding_window=false sliding_window=4096 rope_scaling=null',
    [keyValueHeads, usedWindow, ropeType, ropeKeys, upperLayersSlide(28)],
  ),
  qwen2_moe: kind(
    '151936 2048 5632 24 16 16 32768 1e4 null false',
    'rms_norm_eps=1e-6 use_sliding_window=false sliding_window=4096 moe_intermediate_size=1408 shared_expert_intermediate_size=5632 num_experts_per_tok=4 num_experts=60 norm_topk_prob=false decoder_sparse_step=1 mlp_only_layers=[] rope_scaling=null',
    [usedWindow, ropeType, ropeKeys],
  ),
  qwen3: kind(
    '151936 4096 22016 32 32 32 32768 1e4 null false',
    'head_dim=128 rms_norm_eps=1e-6 use_sliding_window=false sliding_window=4096 rope_scaling=null',
    [keyValueHeads, usedWindow, ropeType, ropeKeys, upperLayersSlide(28)],
  ),
  qwen3_moe: kind(
    '151936 2048 6144 24 32 4 32768 1e4 null false',
    'rms_norm_eps=1e-6 use_sliding_window=false sliding_window=4096 moe_intermediate_size=768 num_experts_per_tok=8 num_experts=128 norm_topk_prob=false decoder_sparse_step=1 mlp_only_layers=[] rope_scaling=null',
    [usedWindow, ropeType, ropeKeys],
  ),
  seed_oss: kind('155136 4096 27648 64 80 8 524288 1e4 1 false', 'rms_norm_eps=1e-6 head_dim=128 rope_scaling=null', [
    keyValueHeads,
    headDim,
    ropeType,
    ropeKeys,
  ]),
  smollm3: kind(
    '128256 2048 11008 36 16 4 32768 2e6 128004 true',
    'rms_norm_eps=1e-6 use_sliding_window=false sliding_window=null rope_scaling=null',
    [keyValueHeads, ropeType, ropeKeys, rules.unrotatedLayers],
  ),
  stablelm: kind(
    '50304 2560 6912 32 32 32 4096 1e4 null false',
    'layer_norm_eps=1e-5 use_parallel_residual=false partial_rotary_factor=0.25 rope_scaling=null',
    [ropeType, ropeKeys],
  ),
  starcoder2: kind(
    '49152 3072 12288 30 24 2 4096 1e4 null true',
    'norm_epsilon=1e-5 sliding_window=null rope_scaling=null',
    [ropeType, ropeKeys],
  ),
};
