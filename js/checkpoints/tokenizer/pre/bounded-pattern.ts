/**
 * Patterns of strangers, which engines can take ages to match: those that match a text of a few hundred characters at once are
 * told from those that may not. What cannot be told counts among the latter.
 */

/** Characters of the text that patterns are meant for: a loop may begin or end at any of them. */
const TEXT_LENGTH = 500;
/** Ways to match at one place that may have to be tried. */
const MOST_WAYS = 64 * TEXT_LENGTH ** 2;
const MOST_LENGTH = 4096;
const MOST_DEPTH = 32;
/** A bound up to which a repetition is no loop. */
const MOST_REPEATED = 16;

/** Published ones that only those who know what letters and marks are can tell to be harmless: EXAONE's. */
const HARMLESS = ['(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+'];

/** Whether a regular expression, as Oniguruma or JavaScript spell them, matches short texts in no time. */
export function isBounded(pattern: string): boolean {
  if (pattern.length > MOST_LENGTH) return false;
  const reader = new Reader(HARMLESS.reduce((left, harmless) => left.replaceAll(harmless, '\\p{L}+'), pattern));
  return reader.alternatives(0) !== null && reader.isAtEnd;
}

/** In how many ways a part can match at one place, apart from the loops that can follow each other in it. */
interface Part {
  readonly loops: number;
  readonly ways: number;
}

interface Repetition {
  readonly least: number;
  readonly most: number;
}

const ONE_CHARACTER: Part = { loops: 0, ways: 1 };

const CLASS_ESCAPE = /\\(?:[pPx]\{[^}]*\}|u\{[^}]*\}|.)/suy;
const GROUP = /\((?:\?(?:[a-z]*(?:-[a-z]+)?:|<?[=!]|>|<[a-z]\w*>|[a-z]+\)))?/iuy;
const COUNTED = /\{(\d*)(,?)(\d*)\}/uy;

class Reader {
  readonly #pattern: string;
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#pattern.length;
  }

  /** Up to the end, or the bracket that closes it. Null for what may take ages, or is not understood. */
  alternatives(depth: number): Part | null {
    if (depth > MOST_DEPTH) return null;
    let [loops, ways] = [0, 0];
    do {
      const part = this.#sequence(depth);
      if (part === null) return null;
      loops = Math.max(loops, part.loops);
      ways += part.ways;
    } while (this.#takes('|'));
    return checked({ loops, ways });
  }

  #sequence(depth: number): Part | null {
    let whole: Part | null = ONE_CHARACTER;
    while (whole !== null && !this.isAtEnd && !['|', ')'].includes(this.#next)) {
      const part = this.#repeated(depth);
      if (part === null) return null;
      whole = checked({ loops: whole.loops + part.loops, ways: whole.ways * part.ways });
    }
    return whole;
  }

  #repeated(depth: number): Part | null {
    let part = this.#atom(depth);
    for (let repetition = this.#repetition(); part !== null && repetition !== null; repetition = this.#repetition()) {
      part = checked(repeated(part, repetition));
    }
    return part;
  }

  #atom(depth: number): Part | null {
    const next = this.#next;
    if (next === '(') return this.#group(depth);
    if (next === '[') return this.#characterClass(0) ? ONE_CHARACTER : null;
    if (next === '\\') return this.#escape();
    if (['*', '+', '?'].includes(next)) return null;
    ++this.#at;
    return ONE_CHARACTER;
  }

  #group(depth: number): Part | null {
    const opening = this.#match(GROUP);
    if (opening === undefined) return null;
    if (opening.endsWith(')')) return ONE_CHARACTER;
    const inner = this.alternatives(depth + 1);
    return inner !== null && this.#takes(')') ? inner : null;
  }

  /** References to groups match in as many ways as these do. */
  #escape(): Part | null {
    const escape = this.#match(CLASS_ESCAPE);
    return escape === undefined || /^\\[1-9k]/u.test(escape) ? null : ONE_CHARACTER;
  }

  #characterClass(depth: number): boolean {
    if (depth > MOST_DEPTH) return false;
    ++this.#at;
    this.#takes('^');
    this.#takes(']');
    while (!this.isAtEnd) {
      if (this.#takes(']')) return true;
      if (this.#next === '[' && !this.#characterClass(depth + 1)) return false;
      else if (this.#next === '\\') this.#match(CLASS_ESCAPE);
      else if (this.#next !== ']' && this.#next !== '[') ++this.#at;
    }
    return false;
  }

  /** What is possessive or lazy counts as if it were not. */
  #repetition(): Repetition | null {
    const next = this.#next;
    if (next !== '*' && next !== '+' && next !== '?') return next === '{' ? this.#counted() : null;
    ++this.#at;
    if (!this.#takes('?')) this.#takes('+');
    return { least: next === '+' ? 1 : 0, most: next === '?' ? 1 : Infinity };
  }

  #counted(): Repetition | null {
    const [text, least = '', comma = '', most = ''] = this.#found(COUNTED) ?? [];
    if (text === undefined || least + most === '') return null;
    this.#at += text.length;
    this.#takes('?');
    const upper = comma === '' ? Number(least) : Infinity;
    return { least: Number(least), most: most === '' ? upper : Number(most) };
  }

  get #next(): string {
    return this.#pattern.charAt(this.#at);
  }

  #takes(character: string): boolean {
    if (this.#next !== character) return false;
    ++this.#at;
    return true;
  }

  #found(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    return expression.exec(this.#pattern);
  }

  #match(expression: RegExp): string | undefined {
    const [text] = this.#found(expression) ?? [];
    this.#at += text?.length ?? 0;
    return text;
  }
}

const checked = (part: Part | null): Part | null =>
  part !== null && part.ways * TEXT_LENGTH ** part.loops <= MOST_WAYS ? part : null;

/** Null for a loop around what can match in more than one way. */
function repeated({ loops, ways }: Part, { least, most }: Repetition): Part | null {
  const isFixed = ways === 1 && loops === 0;
  if (most > MOST_REPEATED && least !== most) return isFixed ? { loops: 1, ways: 1 } : null;
  if (isFixed) return { loops: 0, ways: most - least + 1 };
  return most > MOST_REPEATED ? null : { loops: loops * most, ways: (ways + Number(least < most)) ** most };
}
