import { cpSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { writeCheckpoint } from '../../../peers/checkpoint.mjs';
import { caseNamed } from './cases.mjs';

/** Copies a case's folder, under its own name, to where it can be changed. */
export function copyCase(name, parent) {
  const { input, folder } = caseNamed(name);
  const copy = path.join(parent, folder);
  cpSync(input, copy, { recursive: true });
  return copy;
}

/** Beside the weights and config.json, what a case's folder has: tokenizer, chat template, model card. */
function copyOthers(input, folder) {
  for (const name of readdirSync(input)) {
    const isOther = name !== 'config.json' && !name.includes('safetensors');
    if (isOther) cpSync(path.join(input, name), path.join(folder, name), { recursive: true });
  }
}

/**
 * Writes a checkpoint with a case's tokenizer and config, but for what `changes` says: other sizes, weights for them.
 *
 * @returns {{input: string, options: object}} As a case has them.
 */
export function writeLikeCase(name, folder, changes, shape = {}) {
  const { input, options } = caseNamed(name);
  const config = JSON.parse(readFileSync(path.join(input, 'config.json'), 'utf8'));
  writeCheckpoint(folder, { ...config, ...changes }, { poolWeights: 2 ** 16, ...shape });
  copyOthers(input, folder);
  return { input: folder, options };
}

/** Rows that blocks of 256 fit in, and layers enough for the types that mix blocks by layer. */
const kWide = {
  hidden_size: 256,
  intermediate_size: 512,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  head_dim: 32,
  num_hidden_layers: 3,
};

/** As many experts as llama.cpp's rules look for. */
const kWideExperts = { ...kWide, num_hidden_layers: 2, moe_intermediate_size: 256, num_experts: 8 };

/**
 * Checkpoints with rows that every block fits in. `sha256` is of what llama.cpp's converter makes of them, by --outtype; it
 * was given the name of the pre-tokenizer, as for the cases that they have the tokenizers of.
 */
export const kWideCheckpoints = [
  {
    name: 'wide-llama',
    like: 'llama-gqa-rope3',
    changes: kWide,
    shape: {},
    sha256: {
      f32: '8fbc96d468c127d8c682f507d2a044a67a09d36c110d4259373b6fef4a747dbd',
      f16: '101496987c820b298e42ee7251d41445fa2664f01aba825ee0ececc7b0184221',
      bf16: '897b6c26980aedd10690baf40232b64c0791dc82becffa5828dcd2022c66bd5a',
      q8_0: '8ffa14ab124677876d506688e5602880a5fd0138ec6baa8f999c526cd9aa8421',
    },
  },
  {
    name: 'wide-qwen3',
    like: 'qwen3-f32',
    changes: { ...kWide, tie_word_embeddings: true },
    shape: { shards: 3 },
    sha256: {
      f32: '8bdb9638fbbc62becf2c690a983936771642515f7a11831a0b1eacb623fe3103',
      f16: 'f9a52ee81eb903eca9f1b7c6321b1d38d8740b06bbceafb2ef94667c41729119',
      bf16: 'd0b7604750529034226b5ed24adb53027913b15d05d66313f28d0977de10798b',
      q8_0: '7d9d8f3d74b33b51b8112c54c62684eb9fc32c4a896cf8f11d013b74ed5f9cef',
    },
  },
  {
    name: 'wide-experts',
    like: 'qwen3moe',
    changes: kWideExperts,
    shape: { shards: 2 },
    sha256: {
      f32: '247dedb5e80283be7142cf30e28db0e55649ebdbac9db1cbd6467a0c4153464f',
      f16: 'fee2f502c61745e9bb4b1db001fbbfe404fad9952ef14724196bd2fbe0a89cce',
      bf16: 'cd2752b9254fd68f36e80ade6f49bf61bb8652aad96917a551cb2e2eed37f1ad',
      q8_0: '29ffb16ae7cadad2800e1712eba86c0da90ffaa52da411e167b42dab67c92082',
    },
  },
];

/** Writes one of them into a folder of its name. */
export const writeWide = ({ name, like, changes, shape }, parent) =>
  writeLikeCase(like, path.join(parent, name), changes, shape);
