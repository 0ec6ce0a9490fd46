/** The tensors of a small text-to-image model, with the names that those of Stable Diffusion 3 have. */

import { aroundOne, matrix, nearZero } from './weights.mjs';

/**
 * @import { SampleTensor, SampleType } from './safetensors.mjs'
 * @import { Fill } from './weights.mjs'
 */

const WIDTH = 512;
const DEPTH = 4;
const HEAD = 64;
const PATCHES = 1024;
/** Widths of what text encoders give: for each token, and for the whole text. */
const [TOKEN, TEXT] = [4096, 2048];

/** Collects tensors of one part of the model. */
class Part {
  /** @type {SampleTensor[]} */
  tensors = [];
  #prefix;

  /** @param {string} prefix */
  constructor(prefix) {
    this.#prefix = `model.diffusion_model.${prefix}`;
  }

  /** @type {(name: string, fill: Fill, dtype: SampleType, ...shape: number[]) => void} */
  tensor(name, fill, dtype, ...shape) {
    this.tensors.push({ name: `${this.#prefix}${name}`, dtype, shape, fill });
  }

  /** @type {(name: string, inputs: number, outputs: number) => void} */
  linear(name, inputs, outputs) {
    this.tensor(`${name}.weight`, matrix(), 'BF16', outputs, inputs);
    this.tensor(`${name}.bias`, nearZero, 'F16', outputs);
  }
}

/** About 78 MB. */
export const diffusionTensors = () => [
  ...embedders().tensors,
  ...Array.from({ length: DEPTH }, (_, index) => [
    ...block(`joint_blocks.${String(index)}.x_block.`, true).tensors,
    // Nobody reads what would become of the text after the last one.
    ...block(`joint_blocks.${String(index)}.context_block.`, index + 1 < DEPTH).tensors,
  ]).flat(),
  ...lastLayer().tensors,
];

function embedders() {
  const part = new Part('');
  part.tensor('x_embedder.proj.weight', matrix(), 'F16', WIDTH, 16, 2, 2);
  part.tensor('x_embedder.proj.bias', nearZero, 'F16', WIDTH);
  part.tensor('pos_embed', nearZero, 'F32', 1, PATCHES, WIDTH);
  for (const [name, inputs] of /** @type {const} */ ([
    ['t_embedder', 256],
    ['y_embedder', TEXT],
  ])) {
    part.linear(`${name}.mlp.0`, inputs, WIDTH);
    part.linear(`${name}.mlp.2`, WIDTH, WIDTH);
  }
  part.linear('context_embedder', TOKEN, WIDTH);
  return part;
}

/**
 * What one block does to one of its two inputs.
 *
 * @param {string} name
 * @param {boolean} goesOn whether the next block reads it
 */
function block(name, goesOn) {
  const part = new Part(name);
  part.linear('adaLN_modulation.1', WIDTH, (goesOn ? 6 : 2) * WIDTH);
  part.tensor('attn.ln_q.weight', aroundOne, 'F32', HEAD);
  part.tensor('attn.ln_k.weight', aroundOne, 'F32', HEAD);
  part.linear('attn.qkv', WIDTH, 3 * WIDTH);
  if (!goesOn) return part;
  part.linear('attn.proj', WIDTH, WIDTH);
  part.linear('mlp.fc1', WIDTH, 4 * WIDTH);
  part.linear('mlp.fc2', 4 * WIDTH, WIDTH);
  return part;
}

function lastLayer() {
  const part = new Part('final_layer.');
  part.linear('adaLN_modulation.1', WIDTH, 2 * WIDTH);
  part.linear('linear', WIDTH, 64);
  return part;
}
