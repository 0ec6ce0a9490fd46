/** Models that are not for the programs that open GGUFs in the form they have, told by the names of their tensors. */

import { isControlNet } from './control-nets.js';
import { identify } from './sd-cpp/models.js';

interface ForeignModel {
  /** Fits one of its tensors' names. */
  readonly name: RegExp;
  /** What it is, and what to do. */
  readonly what: string;
}

const GIVE_FOLDER = 'give the folder that has its config.json and its tokenizer, or hf:organization/model';

/** What to do with an adapter as peft saves it. */
export const MERGE_LORA =
  "merge it into its model first (merge_and_unload and save_pretrained of peft), or have llama.cpp's convert_lora_to_gguf.py make a GGUF of it";

/** The first one that fits counts. */
const FOREIGN_MODELS: readonly ForeignModel[] = [
  {
    name: /(?:^|\.)(?:encoder|decoder)\.block\.0\.layer\.0\.SelfAttention\.q\.weight$/u,
    what: `it is a T5 text encoder in Hugging Face's layout, and ComfyUI-GGUF reads those with llama.cpp's names, and nothing beside it says more: ${GIVE_FOLDER}`,
  },
  {
    name: /(?:^|\.)text_model\.encoder\.layers\.0\.|(?:^|\.)transformer\.resblocks\.0\./u,
    what: 'it is a CLIP text encoder, which ComfyUI reads as safetensors, not as a GGUF',
  },
  {
    name: /^base_model\.model\.(?:(?:model|transformer|language_model|gpt_neox)\.)*(?:layers|h)\.\d+\.[\w.]+\.lora_[AB]\b/u,
    what: `it is a LoRA of a language model: ${MERGE_LORA}`,
  },
  {
    name: /(?:^|\.)layers\.0\.(?:self_attn\.(?:q|k|v|qkv|q_a|kv_a)_proj|attention\.wq|block_sparse_moe|linear_attn|mixer|mamba)\b|(?:^|\.)(?:embed_tokens|wte|word_embeddings|embed_in|tok_embeddings)\.weight$|^transformer\.h\.0\.|(?:^|\.)lm_head\.weight$/u,
    what: `it is a language model in Hugging Face's layout, and nothing beside it says which: ${GIVE_FOLDER}`,
  },
  {
    name: /^(?:first_stage_model\.|vae\.)?decoder\.(?:up\.0\.block\.0\.conv1|up_blocks\.0\.resnets\.0\.conv1|conv_in)\.weight$/u,
    what: 'it is an autoencoder, which ComfyUI reads as safetensors, not as a GGUF',
  },
  {
    name: /(?:^lora_|\.lora_(?:up|down|[AB])\.|\.(?:lora_[AB]|hada_w1_a|lokr_w1)\b)/u,
    what: 'it is a LoRA, which programs apply to a model: quantize the model, and give them the LoRA as it is',
  },
];

/** What a model is that has the names of a family and more, and what to do; null when it is one of the family. */
export const relativeKind = (names: readonly string[]): string | null =>
  isControlNet(names)
    ? 'it is a ControlNet, which ComfyUI reads as safetensors, not as a GGUF; quantize the model that it is for, and give ComfyUI the ControlNet as it is'
    : null;

/** What begins the names of parts in checkpoints that have several: none of them says what the whole is. */
const PART = /^(?:model\.diffusion_model|diffusion_model|unet|first_stage_model|cond_stage_model|conditioner)\./u;

/** What a model is that no rules are for, and what to do; null when nobody can tell. */
export function foreignKind(names: readonly string[]): string | null {
  if (names.some((name) => PART.test(name))) return null;
  const what = FOREIGN_MODELS.find(({ name }) => names.some((one) => one.search(name) >= 0))?.what;
  if (what === undefined) return null;
  return identify(names) === null ? what : `${what}; stable-diffusion.cpp takes it as it is (for: "sd.cpp")`;
}
