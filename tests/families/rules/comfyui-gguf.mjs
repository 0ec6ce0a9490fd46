/**
 * What ComfyUI-GGUF's two programs make of a model: tools/convert.py, which writes floats, and the llama-quantize that
 * tools/lcpp.patch makes, which quantizes them. Written after those sources and the changes that were proposed to them
 * (pull requests 210, 333, 364 and 392), in own words, so that it shares no mistake with the package.
 */

/** By architecture, parts of names of matrices that stay floats; a name in full begins with `=`. */
const kKept = {
  flux: ['txt_in.', 'img_in.', 'time_in.', 'vector_in.', 'guidance_in.', 'final_layer.', 'distilled_guidance_layer.'],
  sd1: ['class_embedding.', 'time_embedding.', 'add_embedding.', 'time_embed.', 'label_emb.', 'conv_in.', 'conv_out.'],
  sd3: ['final_layer.', 'time_text_embed.', 'context_embedder.', 't_embedder.', 'y_embedder.', 'x_embedder.'],
  aura: ['t_embedder.', 'init_x_linear.', '=modF.1.weight', '=cond_seq_linear.weight', '=final_linear.weight'],
  ltxv: ['adaln_single.', 'caption_projection.', 'patchify_proj.', 'proj_out.', 'scale_shift_table'],
  wan: [
    ...[
      'modulation.',
      'patch_embedding.',
      'text_embedding.',
      'time_projection.',
      'time_embedding.',
      'img_emb.',
      'head.',
    ],
    // What is no linear layer in Wan Animate, and what hears and sees in it and in S2V.
    ...['motion_encoder.', 'face_encoder.', 'casual_audio_encoder.', 'trainable_cond_mask.'],
  ],
  hidream: ['p_embedder.', 't_embedder.', 'x_embedder.', 'final_layer.', '.ff_i.gate.weight', 'caption_projection.'],
  cosmos: ['p_embedder.', 't_embedder.', 't_embedding_norm.', 'x_embedder.', 'pos_embedder.', 'final_layer.'],
  lumina2: ['t_embedder.', 'x_embedder.', 'final_layer.', 'cap_embedder.', 'context_refiner.', 'noise_refiner.'],
  qwen_image: ['img_in.', 'txt_in.', 'time_text_embed.', 'norm_out.', '=proj_out.weight'],
};
kKept.sdxl = kKept.sd1 = [...kKept.sd1, '=input_blocks.0.0.weight', '=out.2.weight'];
kKept.hyvid = [...kKept.flux, 'cond_type_embedding.', 'byt5_in.', 'time_r_in.', 'vision_in.'];

/** Names that go beyond what the architecture's programs keep, by the model. */
const kKeptOfModel = {
  'chroma radiance': ['nerf_', 'img_in_patch.'],
  anima: ['llm_adapter.'],
  'qwen image 2.1': ['=modulation.1.weight'],
  'ernie image': [
    'time_embedding.',
    'text_proj.',
    'x_embedder.',
    'adaLN_modulation.',
    'final_norm.',
    '=final_linear.weight',
  ],
};

/** ComfyUI computes this one in F32, whatever the rest is. */
const kSingleOfModel = { 'chroma radiance': ['nerf_image_embedder.'] };

/** Parts of names of matrices that become F32: what is no linear layer cannot be BF16, and what is fragile should not be. */
const kSingle = {
  flux: ['distilled_guidance_layer.in_proj.'],
  hyvid: ['cond_type_embedding.'],
  wan: [
    '.modulation',
    'motion_encoder.',
    'face_encoder.conv',
    'casual_audio_encoder.encoder.conv',
    'trainable_cond_mask.',
  ],
  ltxv: ['scale_shift_table'],
  hidream: ['.ff_i.gate.weight'],
  cosmos: ['pos_embedder'],
  qwen_image: ['addition_t_embedding'],
};

const kValues = [
  'attn_v.weight',
  '.to_v.weight',
  '.v.weight',
  '.attn.w1v.weight',
  '.attn.w2v.weight',
  '_attn.v_proj.weight',
];
const kFused = ['attn_qkv.weight', 'attn.qkv.weight', 'attention.qkv.weight'];
const kDown = [
  'ffn_down',
  '.ffn.2.weight',
  '.ff.net.2.weight',
  '.mlp.layer2.weight',
  '.adaln_modulation_mlp.2.weight',
  '.feed_forward.w2.weight',
];

/** By type of the file: what most matrices get, values, fused attention, and outputs of feed-forward networks. */
const kMixtures = {
  F16: ['F16', 'F16', 'F16', 'F16'],
  Q8_0: ['Q8_0', 'Q8_0', 'Q8_0', 'Q8_0'],
  Q4_0: ['Q4_0', 'Q4_0', 'Q4_0', 'Q4_1'],
  Q5_0: ['Q5_0', 'Q5_0', 'Q5_0', 'Q5_1'],
  Q2_K: ['Q2_K', 'Q3_K', 'Q2_K', 'Q2_K'],
  Q3_K_M: ['Q3_K', 'Q4_K', 'Q4_K', 'Q4_K'],
  Q4_K_S: ['Q4_K', 'Q4_K', 'Q4_K', 'Q5_K'],
  Q4_K_M: ['Q4_K', 'Q6_K', 'Q5_K', 'Q6_K'],
  Q5_K_M: ['Q5_K', 'Q6_K', 'Q6_K', 'Q6_K'],
  Q6_K: ['Q6_K', 'Q6_K', 'Q6_K', 'Q6_K'],
};
/** How many of the first values get Q5_K. */
const kFirstValues = { Q3_K_M: 2, Q4_K_S: 4 };
/** llama.cpp's own way out of rows that are no whole blocks of 256; the patch has it, and has F16 in its stead. */
const kSmaller = { Q2_K: 'Q4_0', Q3_K: 'Q4_0', Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' };

const has = (parts, name) =>
  parts.some((part) => (part.startsWith('=') ? name === part.slice(1) : name.includes(part)));

/** The architecture's rules for one file. */
export class ComfyUiRules {
  #values = 0;

  constructor(model, fileType) {
    const { comfyui: architecture, name } = model;
    this.kept = [...(kKept[architecture] ?? []), ...(kKeptOfModel[name] ?? [])];
    this.single = [...(kSingle[architecture] ?? []), ...(kSingleOfModel[name] ?? [])];
    this.half = ['distilled_guidance_layer.'];
    this.reshapes = architecture === 'sd1' || architecture === 'sdxl';
    this.fileType = fileType;
  }

  /** The shape that is stored, and the one beside it or null. */
  formOf({ shape, elements }) {
    const isRow = shape.at(-1) % 256 === 0;
    const reshapes = this.reshapes && shape.length > 1 && elements >= 512 && elements % 256 === 0 && !isRow;
    return reshapes ? { stored: [elements / 256, 256], original: shape } : { stored: shape, original: null };
  }

  /** What convert.py writes, but that what no layer decodes is F32: it can be nothing else but F16. */
  #floats({ name, elements }, dtype, stored) {
    const isParameter = !/(?:weight|bias)$/u.test(name);
    if (stored.length > 4 || isParameter || has(this.single, name)) return 'F32';
    if (dtype === 'F16' || dtype.startsWith('F8')) return 'F16';
    if (stored.length < 2 || elements <= 1024) return 'F32';
    return dtype === 'BF16' && !has(this.half, name) ? 'BF16' : 'F16';
  }

  /** The type of the tensor (`name` without a prefix) of a source of the type `dtype`. */
  typeOf(tensor, dtype) {
    const { stored } = this.formOf(tensor);
    const { name } = tensor;
    const dimensions = Math.max(
      1,
      stored.length -
        Math.max(
          0,
          stored.findIndex((extent) => extent !== 1),
        ),
    );
    const isQuantized =
      dimensions === 2 &&
      stored.length === 2 &&
      name.endsWith('weight') &&
      !name.includes('_norm.weight') &&
      !has(this.kept, name);
    if (!isQuantized) return this.#floats(tensor, dtype, stored);
    const type = this.#mixed(name);
    const row = stored.at(-1);
    if (kSmaller[type] === undefined) return row % 32 === 0 || type === 'F16' ? type : 'F16';
    if (row % 256 === 0) return type;
    return row % 32 === 0 ? kSmaller[type] : 'F16';
  }

  #mixed(name) {
    const [most, value, fused, down] = kMixtures[this.fileType];
    if (has(kValues, name)) return this.#values++ < (kFirstValues[this.fileType] ?? 0) ? 'Q5_K' : value;
    if (has(kFused, name)) return fused;
    const isExpert = name.includes('experts.') && name.includes('.w2.weight');
    return has(kDown, name) || isExpert ? down : most;
  }
}
