/** How chats are put into text, as data: mlc-chat-config.json has it under `conv_template` (mlc-llm 79d603f0). */

/** What differs between templates; the rest is the same in all. */
export interface Chat {
  readonly name: string;
  readonly system: string;
  readonly systemMessage?: string;
  readonly roles: readonly [user: string, assistant: string];
  readonly separators: readonly string[];
  /** Between a role and what it says, and where it is yet to say something. */
  readonly afterRole: string;
  readonly afterEmptyRole?: string;
  readonly stops: readonly string[];
  readonly stopTokens: readonly number[];
  readonly systemTokens?: readonly number[];
  readonly roleFollowsSystem?: boolean;
}

const CHATML: Chat = {
  name: 'chatml',
  system: '<|im_start|>system\n{system_message}<|im_end|>\n',
  systemMessage: 'You are a helpful assistant.',
  roles: ['<|im_start|>user', '<|im_start|>assistant'],
  separators: ['<|im_end|>\n'],
  afterRole: '\n',
  stops: ['<|im_end|>'],
  stopTokens: [],
};

const GEMMA: Chat = {
  name: 'gemma_instruction',
  system: '{system_message}',
  roles: ['<start_of_turn>user', '<start_of_turn>model'],
  separators: ['<end_of_turn>\n'],
  afterRole: '\n',
  stops: ['<end_of_turn>'],
  stopTokens: [1, 107],
  systemTokens: [2],
};

/** What is in none of those: the text as it is. */
const PLAIN: Chat = {
  name: 'LM',
  system: '{system_message}',
  roles: ['', ''],
  separators: [''],
  afterRole: '',
  stops: [],
  stopTokens: [],
};

export const CHATS: readonly Chat[] = [
  CHATML,
  {
    name: 'llama-3',
    system: '<|start_header_id|>system<|end_header_id|>\n\n{system_message}<|eot_id|>',
    systemMessage: 'You are a helpful assistant.',
    roles: ['<|start_header_id|>user', '<|start_header_id|>assistant'],
    separators: ['<|eot_id|>'],
    afterRole: '<|end_header_id|>\n\n',
    stops: ['<|end_of_text|>', '<|eot_id|>'],
    stopTokens: [128001, 128008, 128009],
    systemTokens: [128000],
  },
  {
    name: 'mistral_default',
    system: '[INST] {system_message}',
    roles: ['[INST]', '[/INST]'],
    separators: [' '],
    afterRole: ' ',
    afterEmptyRole: '',
    stops: ['</s>'],
    stopTokens: [2],
    systemTokens: [1],
    roleFollowsSystem: false,
  },
  GEMMA,
  { ...GEMMA, name: 'gemma3_instruction', stopTokens: [1, 106] },
  {
    name: 'phi-3',
    system: '<|system|>\n{system_message}',
    roles: ['<|user|>', '<|assistant|>'],
    separators: ['<|end|>\n'],
    afterRole: '\n',
    stops: ['<|endoftext|>'],
    stopTokens: [2, 32000, 32001, 32007],
    systemTokens: [1],
  },
  PLAIN,
];

/** What a tokenizer's template of chats has in it, and the chat that it tells. */
const MARKS: readonly (readonly [mark: string, name: string])[] = [
  ['<|start_header_id|>', 'llama-3'],
  ['<|im_start|>', 'chatml'],
  ['<start_of_turn>', 'gemma_instruction'],
  ['<|end|>', 'phi-3'],
  ['[INST]', 'mistral_default'],
];

/** The chat that the text of a tokenizer's template tells; where it tells none, or there is none, the one called `usual`. */
export function chatFor(template: string | null, usual: string): Chat {
  const told = template === null ? null : (MARKS.find(([mark]) => template.includes(mark))?.[1] ?? null);
  const name = told !== null && !usual.startsWith(told.replace(/_.*/u, '')) ? told : usual;
  return CHATS.find((chat) => chat.name === name) ?? PLAIN;
}

/**
 * The same for a model of so many tokens. Models that have none of the tokens that a chat begins with have another one: for
 * these it is the text as it is. Tokens to stop at that they do not have are left out.
 */
export function withinVocabulary(chat: Chat, tokens = Infinity): Chat {
  const isThere = (token: number): boolean => token < tokens;
  if (chat.systemTokens?.every(isThere) === false) return PLAIN;
  return { ...chat, stopTokens: chat.stopTokens.filter(isThere) };
}

/** As mlc-chat-config.json has it. */
export const templateOf = (chat: Chat): Readonly<Record<string, unknown>> => ({
  name: chat.name,
  system_template: chat.system,
  system_message: chat.systemMessage ?? '',
  system_prefix_token_ids: chat.systemTokens ?? null,
  add_role_after_system_message: chat.roleFollowsSystem ?? true,
  roles: { user: chat.roles[0], assistant: chat.roles[1] },
  role_templates: { user: '{user_message}', assistant: '{assistant_message}', tool: '{tool_message}' },
  messages: [],
  seps: chat.separators,
  role_content_sep: chat.afterRole,
  role_empty_sep: chat.afterEmptyRole ?? chat.afterRole,
  stop_str: chat.stops,
  stop_token_ids: chat.stopTokens,
  function_string: '',
  use_function_calling: false,
});
