import type { CardValue } from './card-values.js';

/** What a plain text stands for in YAML 1.1, as PyYAML reads it, by the names of YAML's tags. */
export type ScalarTag = 'bool' | 'float' | 'int' | 'merge' | 'null' | 'str' | 'timestamp' | 'value';

const PATTERNS: readonly (readonly [ScalarTag, RegExp])[] = [
  ['bool', /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/u],
  ['float', /^[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?$/u],
  ['float', /^\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?$/u],
  ['float', /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*$/u],
  ['float', /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/u],
  ['int', /^[-+]?(?:0b[0-1_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$/u],
  ['int', /^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/u],
  ['merge', /^<<$/u],
  ['null', /^(?:~|null|Null|NULL|)$/u],
  ['timestamp', /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/u],
  [
    'timestamp',
    /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?$/u,
  ],
  ['value', /^=$/u],
];

export const tagOfPlain = (text: string): ScalarTag => PATTERNS.find(([, pattern]) => pattern.test(text))?.[0] ?? 'str';

/** The value of a text with that tag; undefined where PyYAML cannot make one of it. */
export function scalarOf(tag: string, text: string): CardValue | undefined {
  switch (tag) {
    case 'null':
      return null;
    case 'str':
      return text;
    case 'bool':
      return BOOLS.get(text.toLowerCase());
    case 'int':
      return numberOf('int', intOf, text);
    case 'float':
      return numberOf('float', floatOf, text);
    case 'timestamp':
    case 'binary':
      return { kind: 'other', what: tag === 'binary' ? 'bytes' : 'a date' };
    default:
      // What << and = stand for are names in objects only.
      return undefined;
  }
}

const BOOLS = new Map([
  ...['yes', 'true', 'on'].map((word) => [word, true] as const),
  ...['no', 'false', 'off'].map((word) => [word, false] as const),
]);

function numberOf(kind: 'int' | 'float', parse: (digits: string) => number, text: string): CardValue | undefined {
  const digits = text.replaceAll('_', '');
  const isNegative = digits.startsWith('-');
  const value = parse(/^[-+]/u.test(digits) ? digits.slice(1) : digits);
  if (Number.isNaN(value) && digits.toLowerCase() !== '.nan') return undefined;
  return { kind, value: isNegative ? -value : value };
}

/** NaN for what is none. */
function intOf(digits: string): number {
  if (/^0[bx]/u.test(digits)) return digits.length === 2 ? NaN : Number(digits);
  if (/^0[0-7]+$/u.test(digits)) return Number(`0o${digits}`);
  if (digits.includes(':')) return sexagesimal(digits);
  return /^[0-9]+$/u.test(digits) ? Number(digits) : NaN;
}

function floatOf(digits: string): number {
  const plain = digits.toLowerCase();
  if (plain === '.inf') return Infinity;
  if (plain.includes(':')) return sexagesimal(plain);
  return /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?$/u.test(plain) ? Number(plain) : NaN;
}

/** `1:30` is ninety. */
const sexagesimal = (digits: string): number =>
  digits.split(':').reduce((sum, digit) => sum * 60 + (digit === '' ? NaN : Number(digit)), 0);
