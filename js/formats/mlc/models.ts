/**
 * Models that MLC-LLM has, as data: what it calls their parameters, which of them it puts together, and how chats with them are
 * put into text. Read from python/mlc_llm (mlc-llm 79d603f0); a model that is like another one is a name more.
 */

/** Tensors of the model that follow each other in one of MLC-LLM's, row by row. */
interface Joined {
  /** The last part of the module's name there. */
  readonly whole: string;
  readonly parts: readonly string[];
}

export interface MlcModel {
  /** What config.json says under `model_type`. */
  readonly types: readonly string[];
  readonly joined: readonly Joined[];
  /** Whether the output is the embedding always, or where config.json says `tie_word_embeddings`. */
  readonly isTied: 'always' | 'said' | 'never';
  /** Norms that have one added to their weights. */
  readonly plusOne?: RegExp;
  /** Replaced in names, one after the other. */
  readonly renames?: readonly (readonly [RegExp, string])[];
  /** How chats are put into text, where the tokenizer's template does not tell. */
  readonly chat: string;
}

const joined = (qkv: string | null): readonly Joined[] => [
  ...(qkv === null ? [] : [{ whole: qkv, parts: ['q_proj', 'k_proj', 'v_proj'] }]),
  { whole: 'gate_up_proj', parts: ['gate_proj', 'up_proj'] },
];

const GEMMA_NORMS = /(?:^|\.)(?:norm|\w+_layernorm|[qk]_norm)\.weight$/u;

export const MLC_MODELS: readonly MlcModel[] = [
  { types: ['llama'], joined: joined('qkv_proj'), isTied: 'said', chat: 'llama-3' },
  { types: ['olmo'], joined: joined('qkv_proj'), isTied: 'said', chat: 'LM' },
  { types: ['mistral'], joined: joined('qkv_proj'), isTied: 'never', chat: 'mistral_default' },
  { types: ['qwen2', 'qwen3'], joined: joined('c_attn'), isTied: 'said', chat: 'chatml' },
  {
    types: ['gemma', 'gemma2'],
    ...{ joined: joined('qkv_proj'), isTied: 'always', plusOne: GEMMA_NORMS, chat: 'gemma_instruction' },
  },
  {
    types: ['gemma3_text'],
    ...{ joined: joined(null), isTied: 'always', plusOne: GEMMA_NORMS, chat: 'gemma3_instruction' },
    renames: [[/^(?!language_model\.)/u, 'language_model.']],
  },
  {
    types: ['phi3'],
    ...{ joined: [], isTied: 'said', chat: 'phi-3' },
    renames: [
      [/^model\.norm\./u, 'transformer.norm.'],
      [/^model\.embed_tokens\./u, 'transformer.embd.'],
      [/^model\.layers\.(\d+)\.input_layernorm\./u, 'transformer.h.$1.ln.'],
      [/^model\.layers\.(\d+)\.self_attn\.o_proj\./u, 'transformer.h.$1.mixer.out_proj.'],
      [/^model\.layers\.(\d+)\.self_attn\./u, 'transformer.h.$1.mixer.'],
      [/^model\.layers\./u, 'transformer.h.'],
    ],
  },
];

/** What MLC-LLM computes by itself. */
export const UNUSED = /\.rotary_emb\.inv_freq$/u;
