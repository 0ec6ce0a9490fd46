/** YAML as PyYAML's `safe_load` reads it. The parser is a library's; what texts stand for is decided here. */

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseAllDocuments,
  Scalar,
  YAMLParseError,
  type Node,
  type Pair,
  type YAMLMap,
} from 'yaml';
import { quoted } from '../../../containers/invalid-file.js';
import { isCardList, isCardObject, type CardValue } from './card-values.js';
import { withIndents } from './yaml-indents.js';
import { scalarOf, tagOfPlain } from './yaml-scalars.js';

/** What YAML 1.1 allows no text to have. */
const FORBIDDEN = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

const TAG = 'tag:yaml.org,2002:';

/** What no front matter has. The library calls itself for each level, and engines end when there is no room left for that. */
const MOST_BRACKETS = 128;
const MOST_COLUMNS = 200;

/** The value of a document. Throws a SyntaxError that says what is wrong. */
export function readYaml(text: string): CardValue {
  const forbidden = FORBIDDEN.exec(text);
  if (forbidden !== null) throw new SyntaxError(`YAML forbids the character ${codeOf(forbidden[0])} that is in it`);
  if (openBrackets(text) > MOST_BRACKETS || columns(text) > MOST_COLUMNS) throw new SyntaxError('it nests too deep');
  return valueIn(text);
}

/** At least as many brackets as are ever open, as those in texts count, too. */
function openBrackets(text: string): number {
  let [open, most] = [0, 0];
  for (const [bracket] of text.matchAll(/[[{\]}]/gu)) {
    open = bracket === '[' || bracket === '{' ? open + 1 : Math.max(open - 1, 0);
    most = Math.max(most, open);
  }
  return most;
}

/** The widest of what stands before texts: each level takes a column at least. */
const columns = (text: string): number =>
  text.split('\n').reduce((most, line) => Math.max(most, /^(?: |[-?:](?= |$))*/u.exec(line)?.[0].length ?? 0), 0);

function valueIn(text: string): CardValue {
  const first = parsed(text);
  const [error] = first.errors;
  if (error === undefined) return new Reader(text).value(first.contents);
  const mended = withIndents(text);
  const second = mended === text ? first : parsed(mended);
  if (second.errors.length === 0) return new Reader(mended).value(second.contents);
  throw new SyntaxError(`${error.message} (line ${lineAt(text, error.pos[0])} of it)`);
}

const OPTIONS = { schema: 'failsafe', version: '1.1', merge: false, uniqueKeys: false, prettyErrors: false } as const;

interface Parsed {
  readonly contents: unknown;
  readonly errors: readonly YAMLParseError[];
}

/** The only document in a text. */
function parsed(text: string): Parsed {
  const documents = parseAllDocuments(text, { ...OPTIONS, logLevel: 'silent' });
  const [first, second] = documents;
  if (first === undefined || !Array.isArray(documents)) return { contents: null, errors: [] };
  if (second === undefined || first.errors.length > 0) return first;
  const [begin] = second.range;
  const message = 'Only one document is allowed, and a line of three dashes ends it';
  return { contents: null, errors: [new YAMLParseError([begin, begin], 'MULTIPLE_DOCS', message)] };
}

const codeOf = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

const lineAt = (text: string, position: number): number => text.slice(0, position).split('\n').length;

/** Makes values of nodes. What an alias stands for is the same value, not a copy of it. */
class Reader {
  readonly #text: string;
  readonly #anchors = new Map<string, CardValue | undefined>();

  constructor(text: string) {
    this.#text = text;
  }

  value(node: unknown): CardValue {
    if (node === null || node === undefined) return null;
    if (isAlias(node)) return this.#aliased(node.source);
    const own = node as Node;
    const anchor = 'anchor' in own && typeof own.anchor === 'string' ? own.anchor : undefined;
    if (anchor !== undefined) {
      if (this.#anchors.has(anchor)) throw this.#wrong(own, `the anchor &${anchor} is there twice`);
      this.#anchors.set(anchor, undefined);
    }
    const value = this.#valueOf(own);
    if (anchor !== undefined) this.#anchors.set(anchor, value);
    return value;
  }

  #aliased(name: string): CardValue {
    const value = this.#anchors.get(name);
    if (value === undefined) throw new SyntaxError(`there is no &${name} before *${name}`);
    return value;
  }

  #valueOf(node: Node): CardValue {
    const tag = this.#tagOf(node);
    if (isScalar(node)) {
      const text = typeof node.value === 'string' ? node.value : '';
      const isPlain = node.type === Scalar.PLAIN || node.tag === '!';
      const named = tag ?? (isPlain ? tagOfPlain(text) : 'str');
      const value = scalarOf(named, text);
      if (value === undefined) throw this.#wrong(node, `${quoted(text)} is no !!${named}`);
      return value;
    }
    if (isSeq(node)) return this.#list(node.items, node, tag);
    if (isMap(node)) return this.#object(node, tag);
    throw this.#wrong(node, 'there is what is no value');
  }

  #list(items: readonly unknown[], node: Node, tag: string | undefined): CardValue {
    if (tag === 'omap' || tag === 'pairs') return { kind: 'other', what: 'a list of pairs' };
    if (tag !== undefined && tag !== 'seq') throw this.#wrong(node, `a list is no !!${tag}`);
    return items.map((item) => this.value(item));
  }

  #object(node: YAMLMap, tag: string | undefined): CardValue {
    if (tag === 'set') return { kind: 'other', what: 'a set' };
    if (tag !== undefined && tag !== 'map') throw this.#wrong(node, `an object is no !!${tag}`);
    const merged: [string, CardValue][] = [];
    const own: [string, CardValue][] = [];
    for (const pair of node.items) {
      if (isMergeKey(pair)) merged.push(...this.#merged(pair));
      else own.push(...this.#member(pair));
    }
    return new Map([...merged, ...own]);
  }

  /** What an object takes over from others: of the same name, the last one's. */
  #merged({ key, value }: Pair): readonly [string, CardValue][] {
    const source = this.value(value);
    const objects = isCardList(source) ? source : [source];
    return objects.flatMap((object) => {
      if (!isCardObject(object)) throw this.#wrong(key as Node, '<< needs an object, or a list of them');
      return [...object];
    });
  }

  #member({ key, value }: Pair): readonly [string, CardValue][] {
    const name = isValueKey(key) ? '=' : this.value(key);
    if (isCardList(name) || isCardObject(name)) throw this.#wrong(key as Node, 'a name must be no list and no object');
    const member = this.value(value);
    return typeof name === 'string' ? [[name, member]] : [];
  }

  /** The tag that is written down, without its namespace; undefined where there is none. */
  #tagOf(node: Node): string | undefined {
    const { tag } = node as { readonly tag?: string };
    if (tag === undefined || tag === '!') return undefined;
    if (tag.startsWith(TAG)) return tag.slice(TAG.length);
    throw this.#wrong(node, `the tag ${tag} is unknown`);
  }

  #wrong(node: Node, detail: string): SyntaxError {
    const [begin = 0] = node.range ?? [];
    return new SyntaxError(`${detail} (line ${lineAt(this.#text, begin)} of it)`);
  }
}

const isPlainText = (key: unknown, text: string): boolean =>
  isScalar(key) && key.value === text && key.type === Scalar.PLAIN && key.tag === undefined;

const isMergeKey = ({ key }: Pair): boolean => isPlainText(key, '<<');

const isValueKey = (key: unknown): boolean => isPlainText(key, '=');
