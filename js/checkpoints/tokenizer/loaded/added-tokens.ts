import { quoted } from '../../../containers/invalid-file.js';
import { isTokenId, itemsOf, member, type PlainFile } from '../plain.js';

/** A token that is found in texts before they are cut into others. */
export interface AddedToken {
  readonly content: string;
  readonly special: boolean;
  /** Whether it is found in normalized text only. */
  readonly normalized: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly singleWord: boolean;
}

/** The tokens of tokenizer.json's model by their texts, and those that are added to them. */
export class Vocabulary {
  /** Ids by text, added ones included. */
  readonly ids: Map<string, number>;
  /** How many there are without the added ones. */
  readonly baseSize: number;
  readonly added = new Map<number, AddedToken>();

  /** `ids` are those of the model. */
  constructor(ids: Map<string, number>) {
    this.ids = ids;
    this.baseSize = ids.size;
  }

  /**
   * Adds tokens as Hugging Face's tokenizers do: one that is there already keeps its id, and takes over how it is found; a new
   * one gets the next id, whatever its file says.
   */
  add(tokens: Iterable<AddedToken>): void {
    let next = this.#nextId();
    for (const token of tokens) {
      if (token.content === '') continue;
      const id = this.ids.get(token.content) ?? next++;
      this.ids.set(token.content, id);
      this.added.set(id, token);
      next = Math.max(next, id + 1);
    }
  }

  #nextId(): number {
    let next = this.baseSize;
    for (const id of this.added.keys()) next = Math.max(next, id + 1);
    return next;
  }
}

/** What tokenizer.json's `added_tokens` are. Throws `invalid_file`. */
export function addedTokensIn(file: PlainFile): readonly (AddedToken & { readonly id: number })[] {
  return itemsOf(file.get('added_tokens')).map((token, index) => {
    const [content, id] = [member(token, 'content'), member(token, 'id')];
    if (typeof content !== 'string' || !isTokenId(id)) {
      throw file.wrong(`its added token ${index} has no content or no id`);
    }
    return { ...addedToken(content, token), id };
  });
}

/** The added tokens of tokenizer_config.json, in the order of their ids. Throws `invalid_file`. */
export function decoderTokensIn(file: PlainFile): readonly AddedToken[] {
  return Object.entries(file.get('added_tokens_decoder') ?? {}).map(([key, token]) => {
    const content = member(token, 'content');
    if (typeof content !== 'string') throw file.wrong(`its added token ${quoted(key)} has no content`);
    return addedToken(content, token);
  });
}

/** A token with what an object says of it; special ones are found in texts as they are unless it says otherwise. */
export function addedToken(content: string, said: unknown): AddedToken {
  const special = member(said, 'special') === true;
  const normalized = member(said, 'normalized');
  return {
    content,
    special,
    normalized: typeof normalized === 'boolean' ? normalized : !special,
    lstrip: member(said, 'lstrip') === true,
    rstrip: member(said, 'rstrip') === true,
    singleWord: member(said, 'single_word') === true,
  };
}
