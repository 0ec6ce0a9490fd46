/** LTX-Video 0.9, and LTX-2 and 2.3, which make sound, too. */
import { linear, rootMeanSquareNorm, within } from '../patterns.mjs';

const attention = (width, context, inner = width, heads = undefined) => ({
  to_q: linear(inner, width),
  'to_{k,v}': linear(inner, context),
  'to_out.0': linear(width, inner),
  '{q,k}_norm': rootMeanSquareNorm(inner),
  ...(heads !== undefined && { to_gate_logits: linear(heads, width) }),
});
const feedForward = (width) => ({ 'net.0.proj': linear(4 * width, width), 'net.2': linear(width, 4 * width) });
const timeModulation = (width, count) => ({
  'emb.timestep_embedder.linear_1': linear(width, 256),
  'emb.timestep_embedder.linear_2': linear(width, width),
  linear: linear(count * width, width),
});
const captionProjection = (width, inputs) => ({ linear_1: linear(width, inputs), linear_2: linear(width, width) });

const kWidth = 2048;
const ltxVideo = {
  patchify_proj: linear(kWidth, 128),
  ...within('adaln_single.', timeModulation(kWidth, 6)),
  ...within('caption_projection.', captionProjection(kWidth, 4096)),
  ...within('transformer_blocks.{0,27}.', {
    ...within('attn{1,2}.', attention(kWidth, kWidth)),
    ...within('ff.', feedForward(kWidth)),
    scale_shift_table: [6, kWidth],
  }),
  scale_shift_table: [2, kWidth],
  proj_out: linear(128, kWidth),
};

const kVideo = 4096;
const kAudio = 2048;

function ltx2({ parameters, heads, extra }) {
  return {
    patchify_proj: linear(kVideo, 128),
    audio_patchify_proj: linear(kAudio, 128),
    ...within('adaln_single.', timeModulation(kVideo, parameters)),
    ...within('audio_adaln_single.', timeModulation(kAudio, parameters)),
    ...within('av_ca_video_scale_shift_adaln_single.', timeModulation(kVideo, 4)),
    ...within('av_ca_a2v_gate_adaln_single.', timeModulation(kVideo, 1)),
    ...within('av_ca_audio_scale_shift_adaln_single.', timeModulation(kAudio, 4)),
    ...within('av_ca_v2a_gate_adaln_single.', timeModulation(kAudio, 1)),
    ...within('transformer_blocks.{0,47}.', {
      ...within('attn{1,2}.', attention(kVideo, kVideo, kVideo, heads)),
      ...within('audio_attn{1,2}.', attention(kAudio, kAudio, kAudio, heads)),
      ...within('audio_to_video_attn.', attention(kVideo, kAudio, kAudio, heads)),
      ...within('video_to_audio_attn.', attention(kAudio, kVideo, kAudio, heads)),
      ...within('ff.', feedForward(kVideo)),
      ...within('audio_ff.', feedForward(kAudio)),
      scale_shift_table: [parameters, kVideo],
      audio_scale_shift_table: [parameters, kAudio],
      scale_shift_table_a2v_ca_video: [5, kVideo],
      scale_shift_table_a2v_ca_audio: [5, kAudio],
    }),
    ...within('video_embeddings_connector.', connector(heads === undefined ? 3840 : kVideo, heads)),
    ...within('audio_embeddings_connector.', connector(heads === undefined ? 3840 : kAudio, heads)),
    scale_shift_table: [2, kVideo],
    audio_scale_shift_table: [2, kAudio],
    proj_out: linear(128, kVideo),
    audio_proj_out: linear(128, kAudio),
    ...extra,
  };
}

const connector = (width, heads) => ({
  learnable_registers: [128, width],
  ...within('transformer_1d_blocks.{0,1}.', {
    ...within('attn1.', attention(width, width, width, heads)),
    ...within('ff.', feedForward(width)),
  }),
});

const ltx20 = ltx2({
  parameters: 6,
  extra: {
    ...within('caption_projection.', captionProjection(kVideo, 3840)),
    ...within('audio_caption_projection.', captionProjection(kAudio, 3840)),
  },
});

const ltx23 = ltx2({
  parameters: 9,
  heads: 32,
  extra: {
    ...within('prompt_adaln_single.', timeModulation(kVideo, 2)),
    ...within('audio_prompt_adaln_single.', timeModulation(kAudio, 2)),
    'transformer_blocks.{0,47}.prompt_scale_shift_table': [2, kVideo],
    'transformer_blocks.{0,47}.audio_prompt_scale_shift_table': [2, kAudio],
  },
});

const kConfig = JSON.stringify({ transformer: { num_layers: 48, cross_attention_adaln: true } });

export const LTX_MODELS = [
  { name: 'ltx video 0.9', comfyui: 'ltxv', sdcpp: false, modules: ltxVideo, prefix: 'model.diffusion_model.' },
  { name: 'ltx 2', family: 'ltx2', comfyui: 'ltxv', sdcpp: true, modules: ltx20, metadata: { config: kConfig } },
  {
    name: 'ltx 2.3',
    family: 'ltx2',
    comfyui: 'ltxv',
    sdcpp: true,
    modules: ltx23,
    prefix: 'model.diffusion_model.',
    metadata: { config: kConfig },
  },
];
