import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeCheckpoint } from '../../tests/peers/checkpoint.mjs';
import { tokenizerModel } from './tokenizer-model.mjs';

/** The sizes of Qwen3-0.6B, in an architecture whose tokenizer needs no hash that is known: 1.2 GB. */
const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  dtype: 'bfloat16',
  hidden_act: 'silu',
  hidden_size: 1024,
  intermediate_size: 3072,
  num_attention_heads: 16,
  num_key_value_heads: 8,
  head_dim: 128,
  num_hidden_layers: 28,
  max_position_embeddings: 40_960,
  rms_norm_eps: 1e-6,
  rope_theta: 1_000_000,
  tie_word_embeddings: true,
  vocab_size: 151_936,
  bos_token_id: 1,
  eos_token_id: 2,
};

/** Writes a checkpoint of 596 million random weights in BF16, with a tokenizer of as many tokens as such models have. */
export function writeLanguageCheckpoint(folder) {
  writeCheckpoint(folder, CONFIG);
  const write = (name, contents) => writeFileSync(path.join(folder, name), contents);
  write('tokenizer.model', tokenizerModel(CONFIG.vocab_size));
  const special = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' };
  write(
    'tokenizer_config.json',
    JSON.stringify({ tokenizer_class: 'LlamaTokenizer', add_bos_token: true, ...special }),
  );
}
