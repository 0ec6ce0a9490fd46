import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import { quoted } from '../../containers/invalid-file.js';
import { encodeUtf8 } from '../../containers/utf8.js';
import { QuantizeError } from '../../errors.js';
import { part } from '../../part.js';
import type { Checkpoint } from '../checkpoint.js';
import type { LoadedTokenizer } from './loaded.js';
import { CHECK_TEXT, HASHES, PRE_TOKENIZERS } from './pre-tokenizers.js';

/**
 * llama.cpp's name of how a tokenizer cuts texts: what the caller says, or what the ids of a text show. Rejects with
 * `invalid_option` for a name that llama.cpp does not know, and with `unsupported_model` where neither gives a name.
 */
export async function preTokenizerName(loaded: LoadedTokenizer, { name, options }: Checkpoint): Promise<string> {
  if (options.pre !== null) return checkedName(options.pre);
  const { idsOf } = await part(() => import('./library.js'));
  const found = nameOf(idsOf(loaded.file.values, CHECK_TEXT));
  if (found !== undefined) return found;
  const detail = `llama.cpp does not know its tokenizer; option pre (--pre) can name one that cuts texts in the same way`;
  throw new QuantizeError('unsupported_model', { file: name, detail });
}

function checkedName(name: string): string {
  if (PRE_TOKENIZERS.includes(name)) return name;
  throw new QuantizeError('invalid_option', {
    detail: `pre is ${quoted(name)}, but must be one of ${PRE_TOKENIZERS.join(', ')}`,
  });
}

/** The name of the tokenizer that makes these ids of CHECK_TEXT. */
export function nameOf(ids: readonly number[]): string | undefined {
  const hash = bytesToHex(sha256(encodeUtf8(`[${ids.join(', ')}]`)));
  return Object.entries(HASHES).find(([, hashes]) => hashes.includes(hash))?.[0];
}
