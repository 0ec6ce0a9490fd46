/** What transformers' classes of tokenizers add to what their files say. */

import type { AddedToken } from './added-tokens.js';

/** Special tokens in the order in which transformers goes through them, by the names of tokenizer_config.json. */
export const SPECIAL_NAMES = [
  ...['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'],
  'additional_special_tokens',
];

export interface TokenizerClass {
  /** What special tokens are where no file says it, by name. */
  readonly tokens: Readonly<Record<string, string | readonly string[]>>;
  /** Whether the first and the last token are put around texts instead of what tokenizer.json says; here by default. */
  readonly surrounds?: { readonly bos: boolean };
  /** Whether letters become small unless tokenizer_config.json denies it. */
  readonly lowers?: boolean;
  /** How special tokens are found in texts where no file says it, by their names. */
  readonly found?: Readonly<Record<string, Partial<AddedToken>>>;
  /** Whether tokenizer.json alone says if a space is put before texts. */
  readonly keepsPrefix?: boolean;
  /** What the files of folders that are older than tokenizer.json are made into; none can be made where it is missing. */
  readonly older?: 'bert' | 'gpt2' | 'roberta' | 'qwen2';
}

const PLAIN: TokenizerClass = { tokens: {} };

const BERT: TokenizerClass = {
  tokens: { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' },
  lowers: true,
  older: 'bert',
};

const XLM_ROBERTA: TokenizerClass = {
  tokens: {
    ...{ bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', sep_token: '</s>', pad_token: '<pad>' },
    ...{ cls_token: '<s>', mask_token: '<mask>' },
  },
  found: { mask_token: { lstrip: true } },
};

const ROBERTA: TokenizerClass = { ...XLM_ROBERTA, older: 'roberta' };

const CAMEMBERT: TokenizerClass = {
  ...XLM_ROBERTA,
  tokens: { ...XLM_ROBERTA.tokens, additional_special_tokens: ['<s>NOTUSED', '</s>NOTUSED', '<unk>NOTUSED'] },
};

const LLAMA: TokenizerClass = {
  tokens: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' },
  surrounds: { bos: true },
  keepsPrefix: true,
};

const CODE_LLAMA: TokenizerClass = {
  tokens: { ...LLAMA.tokens, additional_special_tokens: ['▁<PRE>', '▁<MID>', '▁<SUF>', '▁<EOT>'] },
  surrounds: { bos: true },
};

const GEMMA: TokenizerClass = {
  tokens: { bos_token: '<bos>', eos_token: '<eos>', unk_token: '<unk>', pad_token: '<pad>' },
  surrounds: { bos: true },
};

const COHERE: TokenizerClass = {
  tokens: { bos_token: '<BOS_TOKEN>', eos_token: '<|END_OF_TURN_TOKEN|>', unk_token: '<UNK>' },
  surrounds: { bos: true },
};

const END_OF_TEXT = '<|endoftext|>';

const GPT2: TokenizerClass = {
  tokens: { bos_token: END_OF_TEXT, eos_token: END_OF_TEXT, unk_token: END_OF_TEXT },
  older: 'gpt2',
};

const GPT_NEOX: TokenizerClass = { tokens: GPT2.tokens, surrounds: { bos: false } };

const AS_IT_IS = { special: true, normalized: false };

const QWEN2: TokenizerClass = {
  tokens: { eos_token: END_OF_TEXT, unk_token: END_OF_TEXT, pad_token: END_OF_TEXT },
  found: { bos_token: AS_IT_IS, eos_token: AS_IT_IS, unk_token: AS_IT_IS, pad_token: AS_IT_IS },
  older: 'qwen2',
};

const BLOOM: TokenizerClass = {
  tokens: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' },
};

/** By what tokenizer_config.json calls them, without `Tokenizer` and `Fast`. */
const CLASSES: ReadonlyMap<string, TokenizerClass> = new Map([
  ...['Bert', 'DistilBert', 'Electra', 'MobileBert', 'SqueezeBert', 'ConvBert'].map((name) => [name, BERT] as const),
  ...['GPT2', 'CodeGen'].map((name) => [name, GPT2] as const),
  ['Roberta', ROBERTA],
  ['XLMRoberta', XLM_ROBERTA],
  ['Llama', LLAMA],
  ['Camembert', CAMEMBERT],
  ['CodeLlama', CODE_LLAMA],
  ['Gemma', GEMMA],
  ['Cohere', COHERE],
  ['GPTNeoX', GPT_NEOX],
  ['Qwen2', QWEN2],
  ['Bloom', BLOOM],
]);

/** What config.json's `model_type` stands for where no class is named. */
const MODEL_TYPES: readonly (readonly [TokenizerClass, string])[] = [
  [BERT, 'bert distilbert electra ernie mobilebert squeezebert convbert megatron-bert'],
  [ROBERTA, 'roberta roberta-prelayernorm'],
  [XLM_ROBERTA, 'xlm-roberta xlm-roberta-xl'],
  [CAMEMBERT, 'camembert'],
  [CODE_LLAMA, 'code_llama'],
  [
    LLAMA,
    'llama llama4 llama4_text mistral mistral3 ministral mixtral phi3 phimoe mllama llava llava_next arcee chameleon',
  ],
  [LLAMA, 'deepseek_v2 deepseek_v3 ernie4_5 ernie4_5_moe jamba jetmoe persimmon zamba zamba2 idefics3 diffllama'],
  [GEMMA, 'gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma'],
  [COHERE, 'cohere cohere2 aya_vision'],
  [GPT2, 'gpt2 dbrx emu3 exaone4 flex_olmo gpt_bigcode gpt_neo gptj minimax olmo3 opt starcoder2 codegen phi'],
  [GPT_NEOX, 'falcon_mamba gpt_neox mamba mamba2 mpt olmo olmo2 olmoe rwkv stablelm xlstm'],
  [QWEN2, 'qwen2 qwen2_moe qwen2_vl qwen2_5_vl qwen2_audio qwen2_5_omni internvl'],
  [QWEN2, 'qwen3 qwen3_moe qwen3_next qwen3_vl qwen3_vl_moe qwen3_omni_moe'],
  [BLOOM, 'bloom'],
];

/** A class that is not known here adds nothing. */
export function tokenizerClass(name: string | undefined, modelType: string | undefined): TokenizerClass {
  if (name !== undefined) return CLASSES.get(name.replace(/Fast$/u, '').replace(/Tokenizer$/u, '')) ?? PLAIN;
  const found = MODEL_TYPES.find(([, types]) => modelType !== undefined && types.split(' ').includes(modelType));
  return found?.[0] ?? PLAIN;
}
