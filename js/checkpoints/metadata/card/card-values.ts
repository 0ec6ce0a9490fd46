/** What stands in a model card's front matter, as PyYAML has it. */

/** A number, and whether Python would have an `int` or a `float` of it. */
export interface CardNumber {
  readonly kind: 'int' | 'float';
  readonly value: number;
}

/** What has no place in a GGUF: a date, bytes, a set. */
export interface CardOther {
  readonly kind: 'other';
  readonly what: string;
}

/** Members whose names are no texts are left out. */
export type CardObject = ReadonlyMap<string, CardValue>;

export type CardValue = null | boolean | string | CardNumber | CardOther | readonly CardValue[] | CardObject;

export const isCardList = (value: CardValue | undefined): value is readonly CardValue[] => Array.isArray(value);

export const isCardObject = (value: CardValue | undefined): value is CardObject => value instanceof Map;

/** What Python takes for false. */
export function isFalsy(value: CardValue): boolean {
  if (value === null || typeof value !== 'object') return !value;
  if (isCardList(value)) return value.length === 0;
  if (isCardObject(value)) return value.size === 0;
  return value.kind !== 'other' && value.value === 0;
}
