import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import { quoted } from '../../../containers/invalid-file.js';
import { encodeUtf8 } from '../../../containers/utf8.js';
import { QuantizeError } from '../../../errors.js';
import { part } from '../../../part.js';
import type { Checkpoint } from '../../checkpoint.js';
import { effectiveTokenizer } from '../loaded/effective.js';
import { guessedName } from './guess.js';
import { isHarmless } from './harmless.js';
import type { LoadedTokenizer } from '../loaded/load.js';
import { CHECK_TEXT, HASHES, PRE_TOKENIZERS } from './names.js';

/**
 * llama.cpp's name of how a tokenizer cuts texts: what the caller says, what the ids of a text show, or what its parts suggest,
 * with a warning. Rejects with `invalid_option` for a name that llama.cpp does not know, and with `unsupported_model` where
 * nothing gives a name.
 */
export async function preTokenizerName(loaded: LoadedTokenizer, { name, options, warn }: Checkpoint): Promise<string> {
  if (options.pre !== null) return checkedName(options.pre);
  const found = nameOf(await idsOfCheckText(loaded));
  if (found !== undefined) return found;
  const guessed = guessedName(loaded.file);
  if (guessed === undefined) {
    const detail =
      'llama.cpp does not know its tokenizer; option pre (--pre) can name one that cuts texts in the same way, ' +
      `of ${PRE_TOKENIZERS.join(', ')}`;
    throw new QuantizeError('unsupported_model', { file: name, detail });
  }
  const message =
    `llama.cpp does not know the tokenizer of ${name}, which seems to cut texts as ${guessed} does; ` +
    'option pre (--pre) can name another one';
  warn({ code: 'checkpoint_doubt', message });
  return guessed;
}

function checkedName(name: string): string {
  if (PRE_TOKENIZERS.includes(name)) return name;
  const detail = `pre is ${quoted(name)}, but must be one of ${PRE_TOKENIZERS.join(', ')}`;
  throw new QuantizeError('invalid_option', { detail });
}

/** The ids of CHECK_TEXT with special tokens; none where the tokenizer is of a kind that the library does not know, or might take ages. */
export async function idsOfCheckText(loaded: LoadedTokenizer): Promise<readonly number[]> {
  const tokenizer = effectiveTokenizer(loaded);
  if (!isHarmless(tokenizer)) return [];
  const { idsOf } = await part(() => import('./library.js'));
  try {
    return idsOf(tokenizer, CHECK_TEXT);
  } catch {
    return [];
  }
}

/** The name of the tokenizer that makes these ids of CHECK_TEXT. */
export function nameOf(ids: readonly number[]): string | undefined {
  const hash = hashOf(ids);
  return Object.entries(HASHES).find(([, hashes]) => hashes.includes(hash))?.[0];
}

/** SHA-256 of the ids as Python writes them. */
export const hashOf = (ids: readonly number[]): string => bytesToHex(sha256(encodeUtf8(`[${ids.join(', ')}]`)));
