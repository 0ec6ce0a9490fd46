import type { FileType, TensorType } from '../types.js';
import type { PlainRule, TensorDescription } from './rule.js';

/** Answers what a key of a GGUF file's metadata holds; undefined when it is not there. Of arrays, numbers suffice. */
export type KeyValueReader = (key: string) => number | string | readonly number[] | undefined;

/** A fact that the output file's metadata has to hold: an array of i32. */
export interface ShapeFact {
  readonly key: string;
  readonly values: readonly number[];
}

interface OutputTensor {
  readonly outputName: string;
  /** In torch order. As many elements as the input has. */
  readonly outputShape: readonly number[];
  /** What decided, for people: `norm`, `attn_v: more bits`. */
  readonly rule: string;
  readonly keyValues: readonly ShapeFact[];
  /** What it would have become if its rows were whole blocks of that; undefined where that is so. */
  readonly insteadOf?: TensorType | undefined;
  /** Whether a rule of the caller's says it. */
  readonly isAsked?: boolean | undefined;
}

/** What is to happen to a tensor. */
export type TensorDecision =
  /** Its bytes are copied; it keeps its type. */
  | ({ readonly kind: 'keep' } & OutputTensor)
  /** Its values become `type`, which is not the type that they have. */
  | ({ readonly kind: 'convert'; readonly type: TensorType } & OutputTensor)
  /** It is no part of the output, because a rule of the caller's says so (`asked`), or because of what the model is. */
  | { readonly kind: 'drop'; readonly rule: string; readonly asked: boolean };

/** A type, and why. */
export interface TypeChoice {
  readonly type: PlainRule['type'];
  readonly rule: string;
  /** As in OutputTensor. */
  readonly insteadOf?: TensorType | undefined;
  readonly isAsked?: boolean | undefined;
}

/** What every set of rules goes by. */
export interface TypeRequest {
  readonly tensors: readonly TensorDescription[];
  readonly target: FileType;
  readonly pure: boolean;
  /** Whether it is known how much each column counts: mixtures differ then. */
  readonly hasImportance: boolean;
  /** Whether the output has the tensors in the input's order; llama.cpp has it sorted otherwise. */
  readonly keepsOrder: boolean;
  /** Tried with the tensor's name in the input, and with that in the output. */
  readonly rules: readonly PlainRule[];
}

/** The same tensor under the output's name and shape. */
export interface OutputForm {
  readonly name: string;
  readonly shape: readonly number[];
  readonly keyValues: readonly ShapeFact[];
}
