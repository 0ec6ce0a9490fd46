/** What PyYAML reads and the library does not: lines that go on with quotes or brackets, with less in front than others have. */

/** More than any name stands in. */
const INDENT = ' '.repeat(160);

/**
 * The same YAML with room in front of all lines that begin inside of quotes or brackets, where it means nothing. Of text that is
 * no YAML it may make anything.
 */
export function withIndents(text: string): string {
  const scanner = new Scanner();
  return text
    .split('\n')
    .map((line) => {
      const isInside = scanner.isInside && line.trim() !== '';
      scanner.pass(line);
      return isInside ? INDENT + line : line;
    })
    .join('\n');
}

const OPENING = '[{';
const CLOSING = ']}';
const BLOCK_TEXT = /^[|>][-+0-9]*(?: *| +#.*)$/u;

/** Knows after each line whether quotes or brackets are open. */
class Scanner {
  #quote = '';
  #depth = 0;
  /** The column of the name whose text are the indented lines that follow; -1 where there is none. */
  #blockColumn = -1;
  /** Whether a value may begin here. */
  #mayBegin = true;
  #column = 0;

  get isInside(): boolean {
    return this.#quote !== '' || this.#depth > 0;
  }

  pass(line: string): void {
    if (this.#blockColumn >= 0) {
      if (line.trim() === '' || line.search(/[^ ]/u) > this.#blockColumn) return;
      this.#blockColumn = -1;
    }
    if (!this.isInside) {
      this.#mayBegin = true;
      this.#column = line.search(/[^ ]/u);
    }
    for (let at = 0; at < line.length;) at = this.#step(line, at);
  }

  /** The position behind what stands at `at`. */
  #step(line: string, at: number): number {
    if (this.#quote !== '') return this.#quoted(line, at);
    const character = line.charAt(at);
    if (character === ' ') return at + 1;
    if (character === '#' && (at === 0 || line[at - 1] === ' ')) return line.length;
    if (this.#mayBegin) return this.#begun(line, at, character);
    if (this.#depth > 0 && this.#bracket(character)) return at + 1;
    const isEnd = character === ':' && /^(?: |$)/u.test(line.slice(at + 1, at + 2));
    if (
      isEnd ||
      (this.#depth > 0 && (character === ',' || (character === ':' && '"\''.includes(line[at - 1] ?? ' '))))
    ) {
      this.#mayBegin = true;
    }
    return at + 1;
  }

  #quoted(line: string, at: number): number {
    const character = line.charAt(at);
    if (character === '\\' && this.#quote === '"') return at + 2;
    if (character !== this.#quote) return at + 1;
    if (character === "'" && line[at + 1] === "'") return at + 2;
    this.#quote = '';
    this.#mayBegin = false;
    return at + 1;
  }

  #begun(line: string, at: number, character: string): number {
    if (character === '"' || character === "'") {
      this.#quote = character;
      return at + 1;
    }
    if (this.#bracket(character)) return at + 1;
    if ('-?'.includes(character) && this.#depth === 0 && /^(?: |$)/u.test(line.slice(at + 1, at + 2))) {
      this.#column = at + 2;
      return at + 1;
    }
    if ('&!'.includes(character)) return at + (/^[^ ]+/u.exec(line.slice(at))?.[0].length ?? 1);
    if (this.#depth === 0 && BLOCK_TEXT.test(line.slice(at))) {
      this.#blockColumn = this.#column;
      return line.length;
    }
    this.#mayBegin = character === ',';
    return at + 1;
  }

  #bracket(character: string): boolean {
    if (OPENING.includes(character)) {
      ++this.#depth;
      this.#mayBegin = true;
      return true;
    }
    if (!CLOSING.includes(character) || this.#depth === 0) return false;
    --this.#depth;
    this.#mayBegin = false;
    return true;
  }
}
