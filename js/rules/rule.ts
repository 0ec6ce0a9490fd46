import type { TensorType } from '../types.js';

/** What rules see of a tensor. */
export interface TensorDescription {
  readonly name: string;
  /** Element type as files spell it: `F16`; ` scaled` follows that of fp8 with a scale. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** What it is called besides, such as by the names of its parts in the input. */
  readonly otherNames?: readonly string[] | undefined;
  /** The shape before rows were joined to fill blocks, where the file tells. */
  readonly originalShape?: readonly number[] | undefined;
  readonly elements: number;
  /** Whether it can be decoded to floats. Default: whether `dtype` names a codec. */
  readonly isDecoded?: boolean | undefined;
  /** What it is to become where it is to be kept, but the output cannot hold what it is stored as. */
  readonly keptAs?: TensorType | undefined;
}

/**
 * Everything that is given must hold, and something must be given. Expressions must take time linear in the name: names
 * come from strangers.
 */
export interface TensorCondition {
  /** Matches the whole name. */
  readonly name?: RegExp;
  /** Matches the part of the name before the last dot and after the one before it: `norm1` of `blocks.0.norm1.weight`. */
  readonly module?: RegExp;
  /** Matches what follows the last dot: `weight`. */
  readonly parameter?: RegExp;
  readonly rankBelow?: number;
  readonly fewerElementsThan?: number;
  /** Element types as files spell them; fp8 is the same with a scale and without. */
  readonly dtypeNotIn?: readonly string[];
}

/**
 * What becomes of a tensor: a type, with `keep` the bytes that it has, with `drop` nothing: the output is without it. With
 * `quantize` it becomes what the others do, though the format's own rules would keep it; only formats of other programs have it.
 */
export type RuleOutcome = TensorType | 'keep' | 'drop' | 'quantize';

/** Says what becomes of the tensors that fulfil the condition. */
export interface TensorRule {
  /** The reason that reports show. */
  readonly name: string;
  readonly when: TensorCondition;
  /** Default `keep`. */
  readonly type?: RuleOutcome | undefined;
}

/** A rule of the caller's. */
export interface TypedRule extends TensorRule {
  readonly type: RuleOutcome;
  /** Whether it is the whole name of one tensor. */
  readonly isWholeName?: boolean | undefined;
}

/** A rule of outputs that have no rules of a program's own to be overruled. */
export interface PlainRule extends TypedRule {
  readonly type: Exclude<RuleOutcome, 'quantize'>;
}

/** How far rules of the caller's reach a tensor: `unquantized` ones get types from those alone that are their whole names. */
export type Reach = 'any' | 'unquantized' | 'left out';

/** A rule that has no effect. */
export interface IdleRule {
  readonly rule: TypedRule;
  /** A tensor that fulfils it, but that it does not reach, and why; null when none fulfils it. */
  readonly passedBy: { readonly name: string; readonly reach: Reach } | null;
}

/**
 * The rules that no tensor fulfils, by its name in the input or by that without `prefix`, or only tensors that they do not
 * reach.
 */
export const idleRules = (
  rules: readonly TypedRule[],
  tensors: readonly TensorDescription[],
  prefix = '',
  reachOf: (tensor: TensorDescription) => Reach = () => 'any',
): readonly IdleRule[] =>
  rules.flatMap((rule) => {
    const matched = tensors.filter((tensor) => fulfilsByEither(tensor, rule.when, prefix));
    if (matched.some((tensor) => reaches(rule, reachOf(tensor)))) return [];
    const [first] = matched;
    return [{ rule, passedBy: first === undefined ? null : { name: first.name, reach: reachOf(first) } }];
  });

/** `drop` may be meant for what is left out anyway, `keep` for what is not quantized anyway. */
const reaches = ({ type, isWholeName = false }: TypedRule, reach: Reach): boolean =>
  reach === 'any' || type === 'drop' || (reach === 'unquantized' && (isWholeName || type === 'keep'));

/** Whether it does by its name, or by another that it has. */
export const fulfilsByAnyName = (tensor: TensorDescription, when: TensorCondition): boolean =>
  fulfils(tensor, when) || (tensor.otherNames?.some((name) => fulfils({ ...tensor, name }, when)) ?? false);

const fulfilsByEither = (tensor: TensorDescription, when: TensorCondition, prefix: string): boolean =>
  fulfilsByAnyName(tensor, when) ||
  (prefix !== '' &&
    tensor.name.startsWith(prefix) &&
    fulfils({ ...tensor, name: tensor.name.slice(prefix.length) }, when));

/** The first of `rules` that keeps the tensor as it is; null when it is to be quantized. */
export const keepingRule = (rules: readonly TensorRule[], tensor: TensorDescription): TensorRule | null =>
  rules.find(({ when }) => fulfils(tensor, when)) ?? null;

export function fulfils(tensor: TensorDescription, when: TensorCondition): boolean {
  const parts = tensor.name.split('.');
  return (
    matches(when.name, tensor.name) &&
    matches(when.module, parts.at(-2) ?? '') &&
    matches(when.parameter, parts.at(-1) ?? '') &&
    (when.rankBelow === undefined || tensor.shape.length < when.rankBelow) &&
    (when.fewerElementsThan === undefined || tensor.elements < when.fewerElementsThan) &&
    !(when.dtypeNotIn?.includes(tensor.dtype.replace(/ scaled$/u, '')) ?? false)
  );
}

/** A regular expression with the flag `g` or `y` would remember where it last matched. */
const matches = (pattern: RegExp | undefined, text: string): boolean =>
  pattern === undefined || text.search(pattern) >= 0;
