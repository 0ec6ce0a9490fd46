/** The caller's rules: tensors to keep or to leave out, and types for tensors. */

import { fieldsOf, invalidOption, knownKeys, nameIn, nearestName, shown } from '../checks.js';
import { QuantizeError, quoted } from '../errors.js';
import { ELEMENT_TYPES } from '../containers/element-types.js';
import type { RuleOutcome, TensorCondition, TypedRule } from '../rules/rule.js';
import { TENSOR_TYPES } from '../types.js';

/** What a part of a condition has to be, and how to say so. */
interface Kind {
  readonly is: (value: unknown) => boolean;
  readonly needed: string;
  /** What the rule gets of it; the value itself where this is absent. */
  readonly read?: (place: string, value: unknown) => unknown;
}

const PATTERN: Kind = {
  // By tag: the expression may come from another realm.
  is: (value) => Object.prototype.toString.call(value) === '[object RegExp]',
  needed: 'a regular expression',
};
const COUNT: Kind = { is: (value) => typeof value === 'number' && value >= 0, needed: 'a number from 0 on' };
const ELEMENTS: Kind = {
  is: Array.isArray,
  needed: 'an array of element types such as "F16"',
  read: (place, value) => (value as readonly unknown[]).map((name) => readElementType(place, name)),
};

const CONDITION: Readonly<Record<keyof TensorCondition, Kind>> = {
  name: PATTERN,
  module: PATTERN,
  parameter: PATTERN,
  rankBelow: COUNT,
  fewerElementsThan: COUNT,
  dtypeNotIn: ELEMENTS,
};

export function readRules(rules: unknown): readonly TypedRule[] {
  if (rules === undefined || rules === null) return [];
  if (!Array.isArray(rules)) {
    throw invalidOption('rules', rules, 'an array of rules [pattern, type] or { name, when }');
  }
  return rules.map((rule: unknown, index) => {
    const place = `rules[${String(index)}]`;
    return Array.isArray(rule) ? readPair(place, rule) : readRule(place, rule);
  });
}

function readPair(place: string, pair: readonly unknown[]): TypedRule {
  const [pattern, given] = pair;
  if (pair.length !== 2) throw invalidOption(place, pair, 'a pair of a pattern and a type');
  const outcome = readOutcome(`${place}[1]`, given);
  const name = readPattern(`${place}[0]`, pattern);
  if (isWholeName(pattern)) {
    return { name: `rule ${pattern}=${outcome}`, when: { name }, type: outcome, isWholeName: true };
  }
  return { name: `rule ${name.source}=${outcome}`, when: { name }, type: outcome };
}

const isWholeName = (pattern: unknown): pattern is string => typeof pattern === 'string' && pattern.startsWith('=');

/** What matches the name that follows `=`, and no other. */
const wholeName = (pattern: string): RegExp =>
  new RegExp(`^${pattern.slice(1).replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&')}$`, 'u');

function readOutcome(place: string, type: unknown): RuleOutcome {
  const outcomes = [...TENSOR_TYPES, 'keep', 'drop', 'quantize'] as const;
  const found = nameIn(outcomes, type);
  if (found === undefined) throw invalidOption(place, type, `one of ${outcomes.join(', ')}`);
  return found;
}

/** A regular expression, the text of one, or `=` and a whole name. */
export function readPattern(place: string, pattern: unknown): RegExp {
  if (isWholeName(pattern)) return wholeName(pattern);
  if (typeof pattern !== 'string') {
    if (PATTERN.is(pattern)) return pattern as RegExp;
    throw invalidOption(place, pattern, 'a regular expression, or the text of one');
  }
  try {
    return new RegExp(pattern, 'u');
  } catch (cause) {
    throw new QuantizeError('invalid_option', {
      detail: `${place} is ${shown(pattern)}, no regular expression`,
      cause,
    });
  }
}

/** A copy: what the caller does with the rule later must not change a conversion that is under way. */
function readRule(place: string, rule: unknown): TypedRule {
  if (typeof rule !== 'object' || rule === null) throw invalidOption(place, rule, 'a rule { name, when }');
  knownKeys(place, rule, { name: true, when: true, type: true });
  const { name, when, type } = fieldsOf(rule);
  if (typeof name !== 'string') throw invalidOption(`${place}.name`, name, 'a string');
  const outcome = readOutcome(`${place}.type`, type ?? 'keep');
  return { name, when: readCondition(`${place}.when`, when), type: outcome };
}

function readCondition(place: string, when: unknown): TensorCondition {
  if (typeof when !== 'object' || when === null) throw invalidOption(place, when, 'an object of conditions');
  knownKeys(place, when, CONDITION);
  const given = fieldsOf(when);
  const parts = Object.entries(CONDITION).flatMap(([key, { is, needed, read }]) => {
    const value = given[key];
    if (value === undefined || value === null) return [];
    if (!is(value)) throw invalidOption(`${place}.${key}`, value, needed);
    return [[key, read === undefined ? value : read(`${place}.${key}`, value)] as const];
  });
  // It would hold for every tensor: nothing would be quantized.
  if (parts.length === 0) throw new QuantizeError('invalid_option', { detail: `${place} has no condition` });
  return Object.fromEntries(parts);
}

function readElementType(place: string, given: unknown): string {
  if (typeof given !== 'string') throw invalidOption(place, [given], ELEMENTS.needed);
  const found = nameIn(ELEMENT_TYPES, given);
  if (found !== undefined) return found;
  const nearest = nearestName(given, ELEMENT_TYPES);
  const hint = nearest === undefined ? `known are ${ELEMENT_TYPES.join(', ')}` : `did you mean ${quoted(nearest)}?`;
  throw new QuantizeError('invalid_option', { detail: `${place} has no element type ${quoted(given)}; ${hint}` });
}
