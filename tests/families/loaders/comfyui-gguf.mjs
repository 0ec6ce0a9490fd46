/**
 * Whether ComfyUI-GGUF opens a file: what its loader.py asks of it, what the layers of its ops.py can hold, and whether
 * ComfyUI's model_detection.py then finds out what the model is. In own words, after those sources.
 */
import { must, readGguf } from './gguf.mjs';

const kArchitectures = new Set('flux sd1 sdxl sd3 aura hidream cosmos ltxv hyvid wan lumina2 qwen_image'.split(' '));
const kPrefix = 'model.diffusion_model.';
/** What PyTorch holds as it is; everything else is an array of bytes that only some layers decode. */
const kPlainTypes = new Set(['F32', 'F16']);

/**
 * Whether a parameter belongs to a layer that decodes: those are the linear ones, two-dimensional convolutions, embeddings,
 * and norms with their vectors. Parameters that are no layer's, and convolutions of one and three dimensions, are copied.
 */
function isDecoded(name, rank, plain) {
  if (plain.some((part) => name.includes(part))) return false;
  return /\.(?:weight|bias)$/u.test(name) && (rank === 2 || rank === 4);
}

function checkType({ name, type, shape }, plain) {
  if (kPlainTypes.has(type)) return;
  // The loader itself decodes vectors of BF16, and no others.
  const isVector = shape.length <= 1 && type === 'BF16';
  must(isVector || isDecoded(name, shape.length, plain), `${name} is ${type}, which its layer does not decode`);
}

const sizeOf = (shape) => shape.reduce((count, extent) => count * extent, 1);

/** The shape that the loader gives the tensor. */
function shapeOf({ name, shape }, keyValues) {
  const field = keyValues.get(`comfy.gguf.orig_shape.${name}`);
  if (field === undefined) return shape;
  must(field.type === 'i32[]', `the shape beside ${name} is ${field.type}`);
  must(sizeOf(field.value) === sizeOf(shape), `the shape beside ${name} has another number of weights`);
  return field.value;
}

/**
 * Throws, in one sentence, when the file does not open. `expected` are the tensors that the model has in ComfyUI, by name
 * without a prefix, with their shapes; `plain` are parts of names of matrices that are no layers.
 */
export function openInComfyUi(file, { expected, plain }) {
  const { keyValues, tensors } = readGguf(file);
  const architecture = keyValues.get('general.architecture');
  must(architecture?.type === 'string', 'the architecture is no string');
  must(kArchitectures.has(architecture.value), `the architecture is ${architecture.value}`);
  const config = keyValues.get('config');
  must(config === undefined || config.type === 'string', 'the key config is no string');
  const hasPrefix = tensors.some(({ name }) => name.startsWith(kPrefix));
  const found = new Map(
    tensors.flatMap((tensor) => {
      if (hasPrefix && !tensor.name.startsWith(kPrefix)) return [];
      const name = hasPrefix ? tensor.name.slice(kPrefix.length) : tensor.name;
      return [[name, { name, type: tensor.type, shape: shapeOf(tensor, keyValues) }]];
    }),
  );
  for (const tensor of found.values()) checkType(tensor, plain);
  for (const { name, shape } of expected) {
    must(found.has(name), `${name} is missing`);
    const other = found.get(name).shape;
    must(other.join() === shape.join(), `${name} is [${other.join()}], not [${shape.join()}]`);
  }
  must(found.size === expected.length, 'there are more tensors than the model has');
  const model = detectInComfyUi(new Map([...found.values()].map(({ name, shape }) => [name, shape])));
  must(model !== null, 'ComfyUI does not know what it is');
  return { architecture: architecture.value, model, config: config?.value };
}

/** In the order of model_detection.py; the first whose names are all there is what the model is. */
const kDetections = [
  ['sd3', 'joint_blocks.0.context_block.attn.qkv.weight'],
  ['aura', 'double_layers.0.attn.w1q.weight'],
  ['hunyuan_video', 'txt_in.individual_token_refiner.blocks.0.norm1.weight'],
  ['flux', 'double_blocks.0.img_attn.norm.key_norm.scale', ['img_in.weight', 'distilled_guidance_layer.norms.0.scale']],
  ['ltxv', 'adaln_single.emb.timestep_embedder.linear_1.bias'],
  ['pixart', 't_block.1.weight'],
  ['lumina2', 'cap_embedder.1.weight', ['noise_refiner.0.attention.k_norm.weight']],
  ['wan', 'head.modulation'],
  ['hidream_o1', 't_embedder1.mlp.0.weight', ['x_embedder.proj1.weight']],
  ['hidream', 'caption_projection.0.linear.weight'],
  ['cosmos_predict2', 'blocks.0.mlp.layer1.weight'],
  ['qwen_image21', 'txt_in.text_norm.weight', ['modulation.1.weight']],
  ['qwen_image', 'txt_norm.weight'],
  ['krea2', 'txtfusion.projector.weight'],
  ['ernie', 'layers.0.adaLN_sa_ln.weight'],
  ['unet', 'input_blocks.0.0.weight'],
  ['diffusers unet', 'conv_in.weight'],
];

/** What tells the models of a kin from each other: by name of the kin, pairs of a test and a model. */
const kVariants = {
  flux: [
    [(shapes) => shapes.has('nerf_blocks.0.norm.scale'), 'chroma_radiance'],
    [(shapes) => shapes.has('distilled_guidance_layer.norms.0.scale'), 'chroma'],
    [(shapes) => shapes.has('double_stream_modulation_img.lin.weight'), 'flux2'],
    [(shapes) => shapes.has('double_blocks.0.img_mlp.gate_proj.weight'), 'ovis'],
    [(shapes) => shapes.get('txt_in.weight')[1] === 3584, 'longcat'],
  ],
  ltxv: [[(shapes) => shapes.has('audio_adaln_single.linear.weight'), 'ltxav']],
  cosmos_predict2: [[(shapes) => shapes.has('llm_adapter.blocks.0.cross_attn.q_proj.weight'), 'anima']],
  qwen_image: [
    [(shapes) => shapes.get('txt_norm.weight')[0] === 2560 && shapes.get('proj_out.weight')[0] === 128, 'mage_flow'],
    [(shapes) => shapes.has('time_text_embed.addition_t_embedding.weight'), 'qwen_image layered'],
  ],
  lumina2: [[(shapes) => shapes.has('x_pad_token'), 'z-image']],
  unet: [[(shapes) => shapes.has('input_blocks.1.1.time_stack.0.attn1.to_q.weight'), 'svd']],
};

/** What ComfyUI takes tensors of these names and shapes for; null when it knows them not. */
export function detectInComfyUi(shapes) {
  const found = kDetections.find(
    ([, name, others = []]) => shapes.has(name) && (others.length === 0 || others.some((other) => shapes.has(other))),
  );
  if (found === undefined) return null;
  return kVariants[found[0]]?.find(([isOne]) => isOne(shapes))?.[1] ?? found[0];
}
