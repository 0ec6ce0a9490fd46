import { quoted } from '../../containers/invalid-file.js';
import { isRecord } from '../../containers/json.js';
import type { Checkpoint } from '../checkpoint.js';
import { addedTokensIn, decoderTokensIn, Vocabulary } from './added-tokens.js';
import { isTokenId, type PlainFile } from './plain.js';

/** A tokenizer as transformers loads it from a folder. */
export interface LoadedTokenizer {
  readonly file: PlainFile;
  readonly config: PlainFile | null;
  readonly vocabulary: Vocabulary;
  /** Whether decoded text loses spaces before full stops and the like. */
  readonly cleansSpaces: boolean;
}

/** Null without tokenizer.json. Rejects with `invalid_file`. */
export async function loadTokenizer({ files }: Checkpoint): Promise<LoadedTokenizer | null> {
  const file = await files.plain('tokenizer.json');
  if (file === null) return null;
  const config = await files.plain('tokenizer_config.json');
  const vocabulary = new Vocabulary(modelIds(file));
  vocabulary.add(addedTokensIn(file));
  if (config !== null) vocabulary.add(decoderTokensIn(config));
  return { file, config, vocabulary, cleansSpaces: config?.get('clean_up_tokenization_spaces') === true };
}

/** The ids of the model's own tokens, by text. Throws `invalid_file`. */
function modelIds(file: PlainFile): Map<string, number> {
  const vocabulary = file.get('model', 'vocab');
  if (!isRecord(vocabulary)) throw file.wrong('its model has no vocabulary');
  const ids = new Map<string, number>();
  const texts = new Map<number, string>();
  for (const [text, id] of Object.entries(vocabulary)) {
    if (!isTokenId(id)) throw file.wrong(`the id of the token ${quoted(text)} is no whole number`);
    const other = texts.get(id);
    if (other !== undefined)
      throw file.wrong(`the tokens ${quoted(other)} and ${quoted(text)} have the same id, ${id}`);
    ids.set(text, id);
    texts.set(id, text);
  }
  return ids;
}
