/** The tensors of a small text-to-image model, with the names and shapes that diffusers gives them. */

export type SampleType = 'F32' | 'F16' | 'BF16';

/** How a tensor's numbers are spread. */
export type SampleKind = 'matrix' | 'norm' | 'bias' | 'embedding';

export interface SampleTensor {
  readonly name: string;
  readonly dtype: SampleType;
  readonly shape: readonly number[];
  readonly kind: SampleKind;
}

export const ELEMENT_BYTES: Readonly<Record<SampleType, number>> = { F32: 4, F16: 2, BF16: 2 };

export const elementsOf = ({ shape }: SampleTensor): number => shape.reduce((product, extent) => product * extent, 1);

/** Makes the tensors of one part of the model, all of one type and under one prefix. */
class Part {
  readonly tensors: SampleTensor[] = [];
  readonly #prefix: string;
  readonly #dtype: SampleType;

  constructor(prefix: string, dtype: SampleType) {
    this.#prefix = prefix;
    this.#dtype = dtype;
  }

  tensor(name: string, kind: SampleKind, ...shape: number[]): void {
    this.tensors.push({ name: `${this.#prefix}.${name}`, dtype: this.#dtype, shape, kind });
  }

  linear(name: string, inputs: number, outputs: number): void {
    this.tensor(`${name}.weight`, 'matrix', outputs, inputs);
    this.tensor(`${name}.bias`, 'bias', outputs);
  }

  convolution(name: string, inputs: number, outputs: number, kernel = 3): void {
    this.tensor(`${name}.weight`, 'matrix', outputs, inputs, kernel, kernel);
    this.tensor(`${name}.bias`, 'bias', outputs);
  }

  norm(name: string, channels: number): void {
    this.tensor(`${name}.weight`, 'norm', channels);
    this.tensor(`${name}.bias`, 'bias', channels);
  }
}

/** About 78 MB. */
export const sampleStructure = (): readonly SampleTensor[] => [
  ...autoencoder(128).tensors,
  ...transformer(768, 2).tensors,
  ...textEncoder(512, 2).tensors,
];

function autoencoder(channels: number): Part {
  const part = new Part('vae.decoder', 'F16');
  part.convolution('conv_in', 16, 2 * channels);
  for (const [block, inputs, outputs] of [
    [0, 2 * channels, 2 * channels],
    [1, 2 * channels, channels],
  ] as const) {
    const resnet = `up_blocks.${String(block)}.resnets.0`;
    part.norm(`${resnet}.norm1`, inputs);
    part.convolution(`${resnet}.conv1`, inputs, outputs);
    part.norm(`${resnet}.norm2`, outputs);
    part.convolution(`${resnet}.conv2`, outputs, outputs);
    if (inputs !== outputs) part.convolution(`${resnet}.conv_shortcut`, inputs, outputs, 1);
  }
  part.norm('conv_norm_out', channels);
  part.convolution('conv_out', channels, 3);
  return part;
}

function transformer(width: number, depth: number): Part {
  const part = new Part('transformer', 'BF16');
  part.convolution('pos_embed.proj', 16, width, 2);
  part.linear('time_text_embed.timestep_embedder.linear_1', 256, width);
  part.linear('time_text_embed.timestep_embedder.linear_2', width, width);
  part.linear('context_embedder', width, width);
  for (let index = 0; index < depth; ++index) {
    const block = `transformer_blocks.${String(index)}`;
    part.linear(`${block}.norm1.linear`, width, 6 * width);
    for (const name of ['to_q', 'to_k', 'to_v', 'to_out.0']) part.linear(`${block}.attn.${name}`, width, width);
    part.tensor(`${block}.attn.norm_q.weight`, 'norm', 64);
    part.tensor(`${block}.attn.norm_k.weight`, 'norm', 64);
    part.linear(`${block}.ff.net.0.proj`, width, 4 * width);
    part.linear(`${block}.ff.net.2`, 4 * width, width);
  }
  part.linear('norm_out.linear', width, 2 * width);
  part.linear('proj_out', width, 64);
  return part;
}

function textEncoder(width: number, depth: number): Part {
  const part = new Part('text_encoder', 'F32');
  part.tensor('embeddings.token_embedding.weight', 'embedding', 4096, width);
  part.tensor('embeddings.position_embedding.weight', 'embedding', 77, width);
  for (let index = 0; index < depth; ++index) {
    const layer = `encoder.layers.${String(index)}`;
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      part.linear(`${layer}.self_attn.${name}`, width, width);
    part.norm(`${layer}.layer_norm1`, width);
    part.linear(`${layer}.mlp.fc1`, width, 4 * width);
    part.linear(`${layer}.mlp.fc2`, 4 * width, width);
    part.norm(`${layer}.layer_norm2`, width);
  }
  part.norm('final_layer_norm', width);
  return part;
}
