/** What callers say of a model in the layout of transformers that becomes a GGUF. */

import { choice, flag, invalidOption, nameIn } from '../checks.js';
import type { CheckpointOptions, Intermediate } from '../checkpoints/checkpoint.js';
import type { HeldQuantization } from './held.js';
import { isText } from './key-values.js';

/** Options that only such a GGUF has. */
export const CHECKPOINT_OPTIONS = ['via', 'name', 'pre', 'chatTemplate', 'keyValues'] as const;

const INTERMEDIATES: Readonly<Record<Intermediate, Intermediate>> = { F16: 'F16', BF16: 'BF16', F32: 'F32' };

/** Long enough for the name of any model: what is longer is something else. */
const MOST_CHARACTERS = 1000;

/** Throws `invalid_option`. */
export function readCheckpoint(given: Pick<HeldQuantization, (typeof CHECKPOINT_OPTIONS)[number]>): CheckpointOptions {
  return {
    via: choice('via', nameIn(Object.keys(INTERMEDIATES), given.via) ?? given.via, INTERMEDIATES) ?? null,
    name: readText(
      'name',
      given.name,
      isName,
      `a text of 1 to ${MOST_CHARACTERS} characters without control characters`,
    ),
    pre: readText('pre', given.pre, isPre, 'the name of a pre-tokenizer of llama.cpp, such as "qwen2"'),
    chatTemplate: flag('chatTemplate', given.chatTemplate ?? true),
    keyValues: given.keyValues ?? [],
  };
}

const isName = (text: string): boolean =>
  text !== '' && text.length <= MOST_CHARACTERS && isText(text) && !/\p{Cc}/u.test(text);

const isPre = (text: string): boolean => /^[a-z\d][\w.-]{0,63}$/iu.test(text);

function readText(option: string, value: unknown, isRight: (text: string) => boolean, needed: string): string | null {
  if (value === undefined) return null;
  if (typeof value === 'string' && isRight(value)) return value;
  throw invalidOption(option, value, needed);
}
