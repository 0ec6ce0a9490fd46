import { isRecord } from '../../../containers/json.js';
import { itemsOf, member, textIn, within } from '../plain.js';

/** What tokenizer_config.json says of special tokens. Values are texts, objects with a `content`, or nothing. */
export type SpecialEntries = Map<string, unknown>;

/** Which special tokens llama.cpp is to put around a text; in the order in which the flags are written. */
export type AddFlags = Map<string, boolean>;

/** Types beyond the usual ones whose place in the file was found in the post-processor. */
const LATE_TYPES = ['eot', 'eom'] as const;

/**
 * What a tokenizer.json puts around texts, as far as llama.cpp has flags for it: `bos`, `eos` and `sep`. Templates other than
 * those of common tokenizers are understood as llama.cpp's converter understands them.
 */
export class PostProcessorReader {
  readonly flags: AddFlags = new Map();
  readonly types: string[];
  readonly #entries: SpecialEntries;
  /** Whether there is a tokenizer_config.json, whose entries are completed here. */
  readonly #configured: boolean;
  #bos: unknown;
  #cls: unknown;
  #eos: unknown;
  #sep: unknown;

  constructor(entries: SpecialEntries, types: readonly string[]) {
    this.#entries = entries;
    this.#configured = entries.size > 0;
    this.types = [...types];
    this.#bos = entries.get('bos_token');
    this.#cls = entries.get('cls_token');
    this.#eos = entries.get('eos_token');
    this.#sep = entries.get('sep_token');
    if (isNothing(this.#bos) && !isNothing(this.#cls)) this.#bos = this.#complete('bos_token', this.#cls);
    if (isNothing(this.#eos) && !isNothing(this.#sep)) this.#eos = this.#complete('eos_token', this.#sep);
  }

  read(postProcessor: unknown): void {
    if (!isRecord(postProcessor)) return;
    const several = member(postProcessor, 'processors');
    for (const processor of several === undefined ? [postProcessor] : itemsOf(several)) {
      const type = member(processor, 'type');
      if (type === 'RobertaProcessing') this.#readRoberta(processor);
      else if (type === 'TemplateProcessing') this.#readTemplate(processor);
    }
  }

  #readRoberta(processor: unknown): void {
    for (const name of ['bos', 'eos', 'sep']) this.flags.set(name, true);
    if (!this.#configured) return;
    if (isNothing(this.#cls)) this.#cls = this.#complete('cls_token', firstOf(member(processor, 'cls'), this.#bos));
    if (isNothing(this.#sep)) this.#sep = this.#complete('sep_token', firstOf(member(processor, 'sep'), this.#eos));
  }

  #readTemplate(processor: unknown): void {
    const single = itemsOf(member(processor, 'single'));
    const first = single.length > 1 ? specialIn(single[0]) : undefined;
    const last = single.length > 1 ? specialIn(single.at(-1)) : undefined;
    if (first !== undefined) this.#readFirst(first);
    if (last !== undefined) this.#readLast(last);
    this.#readPair(itemsOf(member(processor, 'pair')), first, last);
  }

  #readFirst(first: string): void {
    if (!this.#configured) this.#bos = first;
    else if (first !== this.#bos && first !== this.#cls) {
      if (isNothing(this.#bos)) this.#bos = this.#complete('bos_token', first);
      if (isNothing(this.#cls)) this.#cls = this.#complete('cls_token', first);
    }
    this.flags.set('bos', first === this.#bos || first === this.#cls);
  }

  #readLast(last: string): void {
    if (this.#configured && last !== this.#eos) {
      const type = LATE_TYPES.find((name) => !this.types.includes(name));
      if (type !== undefined) {
        this.types.push(type);
        this.#entries.set(`${type}_token`, this.#eos);
      }
      this.#entries.set('eos_token', last);
    }
    this.#eos = last;
    this.flags.set('eos', true);
  }

  #readPair(pair: readonly unknown[], first: string | undefined, last: string | undefined): void {
    const begin = first !== undefined && specialIn(pair[0]) === first ? 1 : 0;
    const end = last !== undefined && specialIn(pair.at(-1)) === last ? -1 : undefined;
    const inner = pair.slice(begin, end);
    if (sequenceIn(inner[0]) !== 'A' || sequenceIn(inner.at(-1)) !== 'B') return;
    const between = inner.slice(1, -1);
    if (between.length === 0) return;
    const separates = between.map((item) => this.#isSeparator(specialIn(item)));
    const added = (separates[0] === true && last === undefined) || (between.length === 2 && separates[1] === true);
    this.flags.set('sep', added);
    if (added && isNothing(this.#sep) && this.#configured) this.#entries.set('sep_token', this.#eos);
  }

  #isSeparator(token: string | undefined): boolean {
    return token !== undefined && (token === this.#sep || token === this.#eos);
  }

  /** Gives `value`, which becomes that of an entry. */
  #complete(name: string, value: unknown): unknown {
    this.#entries.set(name, value);
    return value;
  }
}

const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || value === false || value === 0;

const specialIn = (item: unknown): string | undefined => textIn(within(item, 'SpecialToken', 'id'));
const sequenceIn = (item: unknown): string | undefined => textIn(within(item, 'Sequence', 'id'));

/** The token of a pair of token and id, or what stands for it where there is none. */
const firstOf = (pair: unknown, otherwise: unknown): unknown => (pair === undefined ? otherwise : itemsOf(pair)[0]);
