/** Which tensors the sample model has: names, shapes and types as diffusers gives them, sizes to order. */

export const kElementBytes = { F32: 4, F16: 2, BF16: 2, I64: 8 };

export const bytesOf = ({ dtype, shape }) => shape.reduce((count, extent) => count * extent, 1) * kElementBytes[dtype];

/** Parameters in proportion to the square of the width; counted at this width and scaled from there. */
const kReferenceWidth = 64;
/** Widths are multiples of this, as those of real models are: heads of 32 channels. */
const kWidthStep = 32;
const kSmallestWidth = 32;

/** Tensors `{ name, dtype, shape, kind }` of about `bytes` bytes in all, and not less if that is possible. */
export function sampleTensors(bytes) {
  const reference = sizeOf(tensorsOfWidth(kReferenceWidth));
  const ideal = kReferenceWidth * Math.sqrt(bytes / reference);
  let width = Math.max(kSmallestWidth, Math.floor(ideal / kWidthStep) * kWidthStep);
  while (sizeOf(tensorsOfWidth(width)) < bytes && bytes > 1e6) width += kWidthStep;
  return tensorsOfWidth(width);
}

const sizeOf = (tensors) => tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);

const tensorsOfWidth = (width) => [...unet(width), ...transformer(2 * width), ...textEncoder(2 * width)];

/** Collects the tensors of one part of the model. */
class Part {
  tensors = [];

  constructor(prefix, dtype) {
    this.prefix = prefix;
    this.dtype = dtype;
  }

  add(name, shape, kind, dtype = this.dtype) {
    this.tensors.push({ name: `${this.prefix}.${name}`, dtype, shape, kind });
  }

  linear(name, inputs, outputs, bias = true) {
    this.add(`${name}.weight`, [outputs, inputs], 'weight');
    if (bias) this.add(`${name}.bias`, [outputs], 'bias');
  }

  convolution(name, inputs, outputs, kernel = 3) {
    this.add(`${name}.weight`, [outputs, inputs, kernel, kernel], 'weight');
    this.add(`${name}.bias`, [outputs], 'bias');
  }

  norm(name, channels) {
    this.add(`${name}.weight`, [channels], 'norm');
    this.add(`${name}.bias`, [channels], 'bias');
  }
}

function unet(width) {
  const part = new Part('unet', 'F16');
  const time = 4 * width;
  part.convolution('conv_in', 4, width);
  part.linear('time_embedding.linear_1', width, time);
  part.linear('time_embedding.linear_2', time, time);
  const resnet = (name, inputs, outputs) => {
    part.norm(`${name}.norm1`, inputs);
    part.convolution(`${name}.conv1`, inputs, outputs);
    part.linear(`${name}.time_emb_proj`, time, outputs);
    part.norm(`${name}.norm2`, outputs);
    part.convolution(`${name}.conv2`, outputs, outputs);
    if (inputs !== outputs) part.convolution(`${name}.conv_shortcut`, inputs, outputs, 1);
  };
  resnet('down_blocks.0.resnets.0', width, width);
  attention(part, 'down_blocks.0.attentions.0', width, 2 * width);
  part.convolution('down_blocks.0.downsamplers.0.conv', width, width);
  resnet('mid_block.resnets.0', width, 2 * width);
  attention(part, 'mid_block.attentions.0', 2 * width, 2 * width);
  resnet('up_blocks.0.resnets.0', 2 * width, width);
  part.norm('conv_norm_out', width);
  part.convolution('conv_out', width, 4);
  return part.tensors;
}

function attention(part, name, channels, context) {
  part.norm(`${name}.norm`, channels);
  part.convolution(`${name}.proj_in`, channels, channels, 1);
  const block = `${name}.transformer_blocks.0`;
  for (const [index, keys] of [channels, context].entries()) {
    const layer = `${block}.attn${index + 1}`;
    part.norm(`${block}.norm${index + 1}`, channels);
    part.linear(`${layer}.to_q`, channels, channels, false);
    part.linear(`${layer}.to_k`, keys, channels, false);
    part.linear(`${layer}.to_v`, keys, channels, false);
    part.linear(`${layer}.to_out.0`, channels, channels);
  }
  part.norm(`${block}.norm3`, channels);
  part.linear(`${block}.ff.net.0.proj`, channels, 8 * channels);
  part.linear(`${block}.ff.net.2`, 4 * channels, channels);
  part.convolution(`${name}.proj_out`, channels, channels, 1);
}

function transformer(width) {
  const part = new Part('transformer', 'BF16');
  part.convolution('pos_embed.proj', 16, width, 2);
  part.add('pos_embed.pos_embed', [1, 64, width], 'embedding');
  part.linear('time_text_embed.timestep_embedder.linear_1', 256, width);
  part.linear('time_text_embed.timestep_embedder.linear_2', width, width);
  part.linear('context_embedder', width, width);
  for (const index of [0, 1]) {
    const block = `transformer_blocks.${index}`;
    part.linear(`${block}.norm1.linear`, width, 6 * width);
    for (const name of ['to_q', 'to_k', 'to_v', 'to_out.0']) part.linear(`${block}.attn.${name}`, width, width);
    part.add(`${block}.attn.norm_q.weight`, [64], 'norm');
    part.add(`${block}.attn.norm_k.weight`, [64], 'norm');
    part.linear(`${block}.ff.net.0.proj`, width, 4 * width);
    part.linear(`${block}.ff.net.2`, 4 * width, width);
  }
  part.linear('norm_out.linear', width, 2 * width);
  part.linear('proj_out', width, 64);
  return part.tensors;
}

function textEncoder(width) {
  const part = new Part('text_encoder.text_model', 'F32');
  part.add('embeddings.token_embedding.weight', [4096, width], 'embedding');
  part.add('embeddings.position_embedding.weight', [77, width], 'embedding');
  part.add('embeddings.position_ids', [1, 77], 'positions', 'I64');
  for (const index of [0, 1]) {
    const layer = `encoder.layers.${index}`;
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      part.linear(`${layer}.self_attn.${name}`, width, width);
    part.norm(`${layer}.layer_norm1`, width);
    part.linear(`${layer}.mlp.fc1`, width, 4 * width);
    part.linear(`${layer}.mlp.fc2`, 4 * width, width);
    part.norm(`${layer}.layer_norm2`, width);
  }
  part.norm('final_layer_norm', width);
  return part.tensors;
}
