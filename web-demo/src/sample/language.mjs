/**
 * A small language model in the layout of transformers, a llama whose text can be read although nobody has trained it: its
 * output layer is made of the embeddings of the tokens that come before each one, and what attention adds is little.
 */

import { hashOf, Random } from './random.mjs';
import { safetensors } from './safetensors.mjs';
import { sentencePieceModel } from './sentence-piece.mjs';
import { aroundOne, matrix } from './weights.mjs';
import { successors, vocabulary } from './words.mjs';

/**
 * @import { SampleFile } from './samples.mjs'
 * @import { SampleTensor } from './safetensors.mjs'
 * @import { Fill, } from './weights.mjs'
 */

const WIDTH = 512;
const DEPTH = 4;
const HIDDEN = 1536;
const [HEADS, KEY_HEADS] = [8, 4];

/** How far the embedding of a token stands out of what the blocks add to it. */
const EMBEDDING_SCALE = 4;
/** Logit of a token that is certain; others have about 0. */
const CERTAINTY = 14;
/** What is left of a token's own direction when the sentences do not have it. */
const OWN_SHARE = 0.2;
/** Weights of the output layer besides. */
const NOISE = 0.002;

/** @returns {readonly SampleFile[]} */
export function languageFiles() {
  const tokens = vocabulary();
  return [
    file('config.json', json(config(tokens.length))),
    file('generation_config.json', json({ do_sample: true, temperature: 0.7, top_p: 0.95 })),
    file('tokenizer.model', sentencePieceModel(tokens)),
    file('tokenizer_config.json', json(TOKENIZER_CONFIG)),
    { name: 'model.safetensors', pieces: safetensors(tensors(tokens.map(({ piece }) => piece))) },
  ];
}

/** @type {(name: string, bytes: Uint8Array<ArrayBuffer>) => SampleFile} */
const file = (name, bytes) => ({ name, pieces: [bytes] });

const json = (/** @type {object} */ value) => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);

const config = (/** @type {number} */ size) => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: WIDTH,
  intermediate_size: HIDDEN,
  num_hidden_layers: DEPTH,
  num_attention_heads: HEADS,
  num_key_value_heads: KEY_HEADS,
  hidden_act: 'silu',
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  vocab_size: size,
  bos_token_id: 1,
  eos_token_id: 2,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
});

const TOKENIZER_CONFIG = {
  tokenizer_class: 'LlamaTokenizer',
  add_bos_token: true,
  add_eos_token: false,
  bos_token: '<s>',
  eos_token: '</s>',
  unk_token: '<unk>',
  model_max_length: 2048,
};

/**
 * @param {readonly string[]} tokens
 * @returns {readonly SampleTensor[]}
 */
function tensors(tokens) {
  /** @type {(name: string, fill: Fill, ...shape: number[]) => SampleTensor} */
  const tensor = (name, fill, ...shape) => ({ name: `${name}.weight`, dtype: 'BF16', shape, fill });
  return [
    tensor('lm_head', outputs(tokens), tokens.length, WIDTH),
    tensor('model.embed_tokens', embeddings(tokens), tokens.length, WIDTH),
    ...Array.from({ length: DEPTH }, (_, index) => block(`model.layers.${String(index)}.`, tensor)).flat(),
    tensor('model.norm', aroundOne, WIDTH),
  ];
}

/** @type {(prefix: string, tensor: (name: string, fill: Fill, ...shape: number[]) => SampleTensor) => SampleTensor[]} */
function block(prefix, tensor) {
  const keys = (WIDTH / HEADS) * KEY_HEADS;
  // As trained models begin: what all blocks add to their input together has a variance of 1.
  const added = matrix(1 / Math.sqrt(2 * DEPTH));
  return [
    tensor(`${prefix}input_layernorm`, aroundOne, WIDTH),
    tensor(`${prefix}mlp.down_proj`, added, WIDTH, HIDDEN),
    tensor(`${prefix}mlp.gate_proj`, matrix(), HIDDEN, WIDTH),
    tensor(`${prefix}mlp.up_proj`, matrix(), HIDDEN, WIDTH),
    tensor(`${prefix}post_attention_layernorm`, aroundOne, WIDTH),
    tensor(`${prefix}self_attn.k_proj`, matrix(), keys, WIDTH),
    tensor(`${prefix}self_attn.o_proj`, added, WIDTH, WIDTH),
    tensor(`${prefix}self_attn.q_proj`, matrix(), WIDTH, WIDTH),
    tensor(`${prefix}self_attn.v_proj`, matrix(), keys, WIDTH),
  ];
}

/**
 * The direction of a token: those of any two are nearly at right angles.
 *
 * @param {string} token
 */
function direction(token) {
  const random = new Random(hashOf(token));
  return Float32Array.from({ length: WIDTH }, () => random.bell());
}

/** Tokens that the sentences do not have lie near the beginning, whose successors are theirs. */
const embeddings = (/** @type {readonly string[]} */ tokens) => {
  const known = successors();
  const begin = direction('<s>');
  /** @type {Fill} */
  const fill = (values) => {
    tokens.forEach((token, row) => {
      const own = direction(token);
      for (let column = 0; column < WIDTH; ++column) {
        const value = known.has(token) ? own[column] : (begin[column] ?? 0) + OWN_SHARE * (own[column] ?? 0);
        values[row * WIDTH + column] = EMBEDDING_SCALE * (value ?? 0);
      }
    });
  };
  return fill;
};

/** The product with the direction of a token, of one that can follow it: the certainty, and the logarithm of how likely it is. */
const outputs = (/** @type {readonly string[]} */ tokens) => {
  const rows = new Map(tokens.map((token, row) => [token, row]));
  /** @type {Fill} */
  const fill = (values, random) => {
    for (let index = 0; index < values.length; ++index) values[index] = NOISE * random.bell();
    for (const [token, nexts] of successors()) {
      const own = direction(token);
      for (const [next, share] of nexts) {
        const row = values.subarray((rows.get(next) ?? 0) * WIDTH);
        const weight = (CERTAINTY + Math.log(share)) / WIDTH;
        own.forEach((value, column) => {
          row[column] = (row[column] ?? 0) + weight * value;
        });
      }
    }
  };
  return fill;
};
