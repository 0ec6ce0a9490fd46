import { floatIn } from './python-words.js';

/** What the id of a model, or the name of its folder, says. */
export interface ModelId {
  /** Without the organization. */
  readonly name: string;
  readonly organization: string | null;
  readonly basename: string | null;
  readonly finetune: string | null;
  readonly version: string | null;
  readonly sizeLabel: string | null;
}

type Role = 'basename' | 'finetune' | 'size' | 'type' | 'version';

interface Part {
  readonly text: string;
  readonly roles: ReadonlySet<Role>;
}

// Letters in patterns that ignore case stand for the same ones as in Python but for i, which also is what Turkish makes of it.
const VERSION = /^(?:v|[iıİ]ter)?\p{Nd}+(?:[.]\p{Nd}+)*$/iu;
const TYPE = /^(?:[iıİ]?q\p{Nd}(?:_[\p{L}\p{N}_])*|b?fp?(?:16|32))$/iu;
const SIZE = /^(?:(?:A|\p{Nd}+x)?\p{Nd}+(?:[._]\p{Nd}+)?[KMBT]\p{Nd}?|small|m[iıİ]n[iıİ]|med[iıİ]um|large|x?xl)$/iu;
const FINETUNE = /^(?:chat|[iıİ]nstruct|v[iıİ]s[iıİ]on|lora)$/iu;

/**
 * Takes a model's id apart, as `org/Name-7B-Instruct-v0.2`. `parameters` is how many the model really has, 0 where that is not
 * known, below 0 for those of an adapter: what reads like a size and is far from it is a length of context.
 */
export function modelIdOf(id: string, parameters: number): ModelId {
  if (id.includes(' ')) return { name: id, ...NOTHING };
  const slash = id.indexOf('/');
  const organization = slash < 0 || id.startsWith('.') ? null : id.slice(0, slash);
  const name = id.slice(slash + 1);
  const texts = name.split('-').filter((text) => text !== '');
  const parts = withBasename(withoutWordSizes(texts.map((text, index) => partOf(text, index, parameters))));
  const having = (role: Role): readonly string[] =>
    parts.filter(({ roles }) => roles.has(role)).map(({ text }) => text);
  const sizeLabel = joined([...new Set(having('size'))]);
  const finetune = joined(having('finetune'));
  const version = joined(
    parts.filter(({ roles }) => roles.has('version') && !roles.has('basename')).map(({ text }) => text),
  );
  const isVague = sizeLabel === null && finetune === null && version === null;
  return { name, organization, basename: isVague ? null : joined(having('basename')), finetune, version, sizeLabel };
}

const NOTHING = { organization: null, basename: null, finetune: null, version: null, sizeLabel: null };

const joined = (texts: readonly string[]): string | null => (texts.length === 0 ? null : texts.join('-'));

const part = (text: string, ...roles: readonly Role[]): Part => ({ text, roles: new Set(roles) });

/** What a part is by itself. */
function partOf(text: string, index: number, parameters: number): Part {
  if (VERSION.test(text)) return part(text, 'version');
  if (TYPE.test(text)) return part(text.toUpperCase(), 'type');
  if (index > 0 && SIZE.test(text)) return sizeOf(text, parameters);
  if (index === 0 || !FINETUNE.test(text)) return part(text);
  return part(text, parameters < 0 && text.toLowerCase() === 'lora' ? 'type' : 'finetune');
}

const isDigit = (character: string | undefined): boolean => character !== undefined && /^\p{Nd}$/u.test(character);

function sizeOf(text: string, parameters: number): Part {
  let characters = Array.from(text.replaceAll('_', '.'));
  // 7b1 is 7.1B.
  const [letter = '', tenth = ''] = characters.slice(-2);
  if (isDigit(tenth)) characters = [...characters.slice(0, -2), '.', tenth, letter];
  const number = characters.slice(0, -1);
  const last = characters.at(-1) ?? '';
  const suffix = isDigit(number.at(-1)) && 'kmbt'.includes(last) ? last.toUpperCase() : last;
  const size = number.join('');
  const value = floatIn(size);
  if (value === undefined || !isOff(value * 1000 ** ' KMBT'.indexOf(suffix), parameters))
    return part(size + suffix, 'size');
  return part(size + suffix.toLowerCase(), 'finetune');
}

/** Whether a size is no size of a model with so many parameters. */
function isOff(size: number, parameters: number): boolean {
  if (parameters > 0) return Math.abs(size - parameters) > Math.floor((7 * parameters) / 8);
  return parameters < 0 && size < Math.floor(-parameters / 8);
}

/** Where there is a size in numbers, words like "small" are none. */
function withoutWordSizes(parts: readonly Part[]): readonly Part[] {
  if (!parts.some(({ text, roles }) => roles.has('size') && /\p{Nd}/u.test(text))) return parts;
  return parts.map((one) => (one.roles.has('size') && /^\p{L}+$/u.test(one.text) ? part(one.text) : one));
}

/** What has no role yet is the model's own name while nothing else has come, then a finetune. */
function withBasename(parts: readonly Part[]): readonly Part[] {
  const isNamed = ({ text, roles }: Part): boolean =>
    (roles.size === 0 && /^\p{L}/u.test(text)) || roles.has('version');
  const other = parts.findIndex((one) => !isNamed(one));
  const begin = other < 0 ? parts.length : other;
  const named = parts.map((one, index) => {
    if (index < begin) return part(one.text, ...one.roles, 'basename');
    return one.roles.size === 0 ? part(one.text, 'finetune') : one;
  });
  // Versions at the very end are no part of the name.
  let end = named.length;
  while (named[end - 1]?.roles.has('basename') && named[end - 1]?.roles.has('version')) --end;
  return named.map((one, index) => (index < end ? one : part(one.text, 'version')));
}
