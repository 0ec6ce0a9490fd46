import { describe, expect, test } from '@jest/globals';
import { PRESETS, keepingRule } from '../support/internals.mjs';

/** Name of the rule that keeps a matrix of this name (or a tensor of this shape); null when it is quantized. */
function ruleFor(name, { mode = 'diffusion', shape = [640, 640], dtype = 'F16' } = {}) {
  const elements = shape.reduce((count, extent) => count * extent, 1);
  return keepingRule(PRESETS[mode], { name, dtype, shape, elements })?.name ?? null;
}

/** As published by Stable Diffusion 1.5 and XL (both namings), SD3, Flux, PixArt, LTX, Wan, Krea 2, HiDream-O1, ERNIE-Image, CLIP and T5. */
const kKept = {
  'time embedding': [
    'time_embedding.linear_1.weight',
    'model.diffusion_model.time_embed.0.weight',
    'time_text_embed.timestep_embedder.linear_2.weight',
    'time_text_embed.guidance_embedder.linear_1.weight',
    'model.diffusion_model.t_embedder.mlp.0.weight',
    'time_in.in_layer.weight',
    'guidance_in.out_layer.weight',
    'adaln_single.emb.timestep_embedder.linear_1.weight',
    'time_projection.1.weight',
    'condition_embedder.time_proj.weight',
    't_embedder1.mlp.0.weight',
    'tmlp.2.weight',
    'tproj.1.weight',
    'audio_adaln_single.linear.weight',
  ],
  'label embedding': [
    'add_embedding.linear_1.weight',
    'class_embedding.weight',
    'model.diffusion_model.label_emb.0.0.weight',
    'y_embedder.mlp.0.weight',
    'y_embedder.embedding_table.weight',
    'vector_in.in_layer.weight',
  ],
  'position embedding': [
    'pos_embed',
    'pos_embed.pos_embed',
    'text_model.embeddings.position_embedding.weight',
    'cond_stage_model.model.positional_embedding',
    'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight',
    'net.pos_embedder.seq',
  ],
  'first convolution': [
    'conv_in.weight',
    'model.diffusion_model.input_blocks.0.0.weight',
    'first_stage_model.encoder.conv_in.weight',
  ],
  'patch embedding': [
    'pos_embed.proj.weight',
    'x_embedder.proj.weight',
    'x_embedder.weight',
    'img_in.weight',
    'patch_embedding.weight',
    'patchify_proj.weight',
    'audio_patchify_proj.weight',
  ],
  'last convolution': ['conv_out.weight', 'model.diffusion_model.out.2.weight', 'decoder.conv_out.weight'],
  'final layer': [
    ...['final_layer.linear.weight', 'proj_out.weight', 'head.head.weight', 'transformer.proj_out.weight'],
    ...['final_layer2.linear.weight', 'audio_proj_out.weight', 'last.linear.weight', 'net.final_norm.linear.weight'],
  ],
  'modulation table': ['scale_shift_table', 'blocks.0.modulation', 'transformer_blocks.27.scale_shift_table'],
  norm: [
    'down_blocks.0.resnets.0.norm1.weight',
    'transformer_blocks.0.attn.norm_added_k.weight',
    'double_blocks.0.img_attn.norm.query_norm.scale',
    'text_model.encoder.layers.0.layer_norm1.weight',
    'encoder.block.0.layer.1.layer_norm.weight',
    'cond_stage_model.model.ln_final.weight',
    'visual.ln_1.weight',
  ],
  bias: ['conv_in.bias', 'norm1.bias', 'transformer.resblocks.0.attn.in_proj_bias'],
};

const kQuantized = [
  'down_blocks.0.resnets.0.conv1.weight',
  'down_blocks.0.resnets.0.time_emb_proj.weight',
  'down_blocks.0.attentions.0.proj_in.weight',
  'down_blocks.0.attentions.0.proj_out.weight',
  'mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.weight',
  'mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight',
  'down_blocks.0.downsamplers.0.conv.weight',
  'model.diffusion_model.input_blocks.1.0.in_layers.2.weight',
  'model.diffusion_model.input_blocks.1.0.emb_layers.1.weight',
  'model.diffusion_model.input_blocks.10.0.out_layers.3.weight',
  'model.diffusion_model.output_blocks.2.1.conv.weight',
  'transformer_blocks.0.norm1.linear.weight',
  'single_transformer_blocks.0.norm.linear.weight',
  'double_blocks.0.img_mod.lin.weight',
  'double_blocks.0.img_attn.qkv.weight',
  'single_blocks.0.linear1.weight',
  'joint_blocks.0.x_block.attn.qkv.weight',
  'blocks.0.self_attn.q.weight',
  'text_model.embeddings.token_embedding.weight',
  'text_model.encoder.layers.0.self_attn.out_proj.weight',
  'text_projection.weight',
  'transformer.resblocks.0.attn.in_proj_weight',
  'encoder.block.0.layer.0.SelfAttention.q.weight',
  'encoder.block.0.layer.1.DenseReluDense.wi_0.weight',
  'shared.weight',
];

describe('mode diffusion', () => {
  test.each(Object.entries(kKept).flatMap(([rule, names]) => names.map((name) => [rule, name])))(
    'keeps as %s: %s',
    (rule, name) => {
      expect(ruleFor(name)).toBe(rule);
    },
  );

  test.each(kQuantized)('quantizes %s', (name) => {
    expect(ruleFor(name)).toBeNull();
  });

  test('keeps vectors, small tensors and what is no float', () => {
    expect(ruleFor('a.weight', { shape: [4096] })).toBe('rank below 2');
    expect(ruleFor('a.weight', { shape: [] })).toBe('rank below 2');
    expect(ruleFor('a.weight', { shape: [31, 33] })).toBe('fewer than 1024 elements');
    expect(ruleFor('a.weight', { shape: [32, 32] })).toBeNull();
    expect(ruleFor('a.weight', { shape: [0, 32] })).toBe('empty');
    for (const dtype of ['F64', 'I64', 'U8', 'BOOL', 'F8_E4M3']) {
      expect(ruleFor('a.weight', { dtype })).toBe('not F32, F16 or BF16');
    }
    for (const dtype of ['F32', 'F16', 'BF16']) expect(ruleFor('a.weight', { dtype })).toBeNull();
  });
});

describe('mode base', () => {
  test('keeps norms, biases, vectors and what is no float, and nothing else', () => {
    const base = (name, rest) => ruleFor(name, { mode: 'base', ...rest });
    expect(base('model.layers.0.input_layernorm.weight')).toBe('norm');
    expect(base('model.layers.0.q_proj.bias')).toBe('bias');
    expect(base('model.layers.0.scale', { shape: [64] })).toBe('rank below 2');
    expect(base('position_ids', { dtype: 'I64' })).toBe('not F32, F16 or BF16');
    for (const name of ['conv_in.weight', 'time_embedding.linear_1.weight', 'pos_embed', 'proj_out.weight']) {
      expect(base(name)).toBeNull();
    }
    expect(base('a.weight', { shape: [4, 4] })).toBeNull();
  });
});

describe('rules take time linear in a name, however hostile', () => {
  /** What a match may repeat (`*`, `+`, `{n,}`) or refer back to; classes and escaped characters are no such thing. */
  const kUnbounded = /[*+{]|\\[1-9k]/u;
  const patterns = Object.values(PRESETS)
    .flat()
    .flatMap(({ when: { name, module, parameter } }) => [name, module, parameter])
    .filter((pattern) => pattern !== undefined);

  test('because no pattern repeats anything: from each place, a match looks at a bounded number of characters', () => {
    expect(patterns.length).toBeGreaterThan(10);
    for (const { source } of patterns) expect(source.replaceAll(/\\[^1-9k]|\[[^\]]*\]/gu, '')).not.toMatch(kUnbounded);
  });
});
