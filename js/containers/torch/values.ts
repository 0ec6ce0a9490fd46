/** What a pickle of a checkpoint is made of. */

/** A dict's keys and values lie in turn. */
export interface Sequence {
  readonly kind: 'dict' | 'list' | 'tuple';
  readonly items: PickleValue[];
}

/** A name that stands for a function or a class of Python. */
export interface Global {
  readonly kind: 'global';
  readonly name: string;
}

/** Memory that tensors lie in, and share. */
export interface Storage {
  readonly kind: 'storage';
  /** Names its bytes in the file. */
  readonly key: string;
  /** As safetensors calls it. */
  readonly dtype: string;
  readonly elements: number;
}

/** A view of a storage. Offset and strides count elements. */
export interface TensorView {
  readonly kind: 'tensor';
  readonly storage: Storage;
  readonly dtype: string;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** What is no tensor and has none in it. */
export interface Other {
  readonly kind: 'other';
}

export type PickleObject = Sequence | Global | Storage | TensorView | Other;
export type PickleValue = null | boolean | number | string | PickleObject;

export const OTHER: Other = { kind: 'other' };

/** The object that a value is; null for numbers, texts and the like. */
export const objectOf = (value: PickleValue | undefined): PickleObject | null =>
  typeof value === 'object' ? value : null;

/** The items of a tuple or list; null for anything else. */
export function itemsOf(value: PickleValue | undefined): readonly PickleValue[] | null {
  const object = objectOf(value);
  return object?.kind === 'tuple' || object?.kind === 'list' ? object.items : null;
}

/** Whether a value can be a size, an offset or a count. */
export const isCount = (value: PickleValue | undefined): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
