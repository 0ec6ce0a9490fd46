import { quoted } from '../errors.js';
import { nearestNames } from '../rules/nearest-names.js';
import type { IdleRule } from '../rules/rule.js';
import type { StoredTensor } from '../containers/container.js';
import type { PlannedStep } from './plan.js';
import { storageLabel, type FileWarning } from './report.js';

/** So many names stand for all of them. */
const SHOWN_NAMES = 3;

/** What is likely to be a mistake, or costs quality, though the conversion can be done. */
export const warningsAbout = (
  steps: readonly PlannedStep[],
  tensors: readonly StoredTensor[],
  idle: readonly IdleRule[],
): readonly FileWarning[] => [
  ...idle.map((one) => ruleWithoutMatch(one, tensors)),
  ...quantizedAgain(steps),
  ...copiedUndecoded(steps),
];

function ruleWithoutMatch({ rule: given, leftOut }: IdleRule, tensors: readonly StoredTensor[]): FileWarning {
  const { name, when } = given;
  const rule = name.startsWith('rule ') ? name : `rule ${quoted(name)}`;
  if (leftOut !== null) {
    const message = `the ${rule} has no effect: what it matches is no part of the output, such as ${quoted(leftOut)}`;
    return { code: 'rule_without_match', message };
  }
  const names = tensors.map((tensor) => tensor.name);
  const near = when.name === undefined ? [] : nearestNames(when.name, names).map(quoted);
  const hint = near.length === 0 ? '' : `; the nearest names are ${near.join(', ')}`;
  return { code: 'rule_without_match', message: `the ${rule} matches no tensor${hint}` };
}

/** Blocks of one format that become blocks of another. */
function quantizedAgain(steps: readonly PlannedStep[]): FileWarning[] {
  const again = steps.filter(({ stored, planned, kept }) => {
    return !kept && stored.storage.kind === 'block' && planned.target.kind === 'block';
  });
  if (again.length === 0) return [];
  const what = again.length === 1 ? '1 tensor is' : `${again.length} tensors are`;
  const verb = again.length === 1 ? 'loses' : 'lose';
  const message =
    `${what} quantized already (${labelsOf(again)}) and ${verb} precision once more; ` +
    'start from the unquantized model where there is one';
  return [{ code: 'quantized_again', message }];
}

function copiedUndecoded(steps: readonly PlannedStep[]): FileWarning[] {
  const copied = steps.filter(({ planned }) => planned.target.kind === 'opaque');
  if (copied.length === 0) return [];
  const names = copied.slice(0, SHOWN_NAMES).map(({ stored }) => quoted(stored.name));
  const others = copied.length - names.length;
  const list = `${names.join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
  const are = copied.length === 1 ? 'is' : 'are';
  const message = `${list} ${are} copied byte for byte, because ${labelsOf(copied)} cannot be decoded`;
  const unknown = copied.some(({ planned: { target } }) => target.kind === 'opaque' && target.ggmlId !== undefined);
  const upTo = '; where a tensor of an unknown type ends is told by where the next one begins';
  return [{ code: 'copied_undecoded', message: unknown ? `${message}${upTo}` : message }];
}

const labelsOf = (steps: readonly PlannedStep[]): string =>
  [...new Set(steps.map(({ stored }) => storageLabel(stored)))].join(', ');
