import { quoted } from '../errors.js';
import { nearestNames } from '../rules/nearest-names.js';
import type { TensorDecision } from '../rules/decision.js';
import type { IdleRule } from '../rules/rule.js';
import { isFloat } from '../codecs/codec.js';
import { isDType } from '../containers/dtypes.js';
import { storageLabel, targetLabel, type Tensor } from '../layouts/tensor.js';
import type { FileWarning, PlannedStep } from './report.js';

/** So many names stand for all of them. */
const SHOWN_NAMES = 3;

/** What is likely to be a mistake, or costs quality, though the conversion can be done. */
export const warningsAbout = (
  steps: readonly PlannedStep[],
  tensors: readonly Tensor[],
  idle: readonly IdleRule[],
): readonly FileWarning[] => [
  ...idle.map((one) => ruleWithoutMatch(one, tensors)),
  ...quantizedAgain(steps),
  ...copiedUndecoded(steps),
];

function ruleWithoutMatch({ rule: given, passedBy }: IdleRule, tensors: readonly Tensor[]): FileWarning {
  const { name, when } = given;
  const rule = name.startsWith('rule ') ? name : `rule ${quoted(name)}`;
  if (passedBy !== null) {
    const why =
      passedBy.reach === 'left out'
        ? `what it matches is no part of the output, such as ${quoted(passedBy.name)}`
        : `what it matches is not quantized, such as ${quoted(passedBy.name)}; ${quoted(`=${passedBy.name}`)} as its pattern gives that one a type all the same`;
    return { code: 'rule_without_match', message: `the ${rule} has no effect: ${why}` };
  }
  const names = tensors.map((tensor) => tensor.name);
  const near = when.name === undefined ? [] : nearestNames(when.name, names).map(quoted);
  const hint = near.length === 0 ? '' : `; the nearest names are ${near.join(', ')}`;
  return { code: 'rule_without_match', message: `the ${rule} matches no tensor${hint}` };
}

/** What has been quantized becomes what is quantized otherwise. */
function quantizedAgain(steps: readonly PlannedStep[]): FileWarning[] {
  const again = steps.filter(({ stored: { codec }, planned: { target }, kept }) => {
    return !kept && codec !== null && !isFloat(codec) && target.kind === 'codec' && !isFloat(target.codec);
  });
  if (again.length === 0) return [];
  const what = again.length === 1 ? '1 tensor is' : `${again.length} tensors are`;
  const verb = again.length === 1 ? 'loses' : 'lose';
  const message =
    `${what} quantized already (${labelsOf(again)}) and ${verb} precision once more; ` +
    'start from the unquantized model where there is one';
  return [{ code: 'quantized_again', message }];
}

/** The first of their names, and how many there are besides. */
function namesOf(steps: readonly PlannedStep[]): string {
  const names = steps.slice(0, SHOWN_NAMES).map(({ stored }) => quoted(stored.name));
  const others = steps.length - names.length;
  return `${names.join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
}

function copiedUndecoded(steps: readonly PlannedStep[]): FileWarning[] {
  const copied = steps.filter(({ planned }) => planned.target.kind === 'copied' && !isDType(planned.target.type.name));
  if (copied.length === 0) return [];
  const are = copied.length === 1 ? 'is' : 'are';
  const message = `${namesOf(copied)} ${are} copied byte for byte, because ${labelsOf(copied)} cannot be decoded`;
  const unknown = copied.some(({ planned: { target } }) => target.kind === 'copied' && target.type.id !== undefined);
  const upTo = '; where a tensor of an unknown type ends is told by where the next one begins';
  return [{ code: 'copied_undecoded', message: unknown ? `${message}${upTo}` : message }];
}

/** Where the output has weights that are no numbers any more, of tensors that may overflow. */
export function infiniteWeights(steps: readonly PlannedStep[]): FileWarning[] {
  if (steps.length === 0) return [];
  const holds = steps.length === 1 ? 'holds' : 'hold';
  const types = [...new Set(steps.map(({ planned: { target } }) => targetLabel(target)))].join(' and ');
  const message =
    `${namesOf(steps)} ${holds} weights that are infinite or NaN in ${types}, as llama.cpp's converter writes them; ` +
    "f16Overflow 'error' refuses them, and 'f32' keeps as F32 what is too large for F16";
  return [{ code: 'infinite_weights', message }];
}

/** Where rows are no whole blocks of the type that they should have. */
export function rowsFellBack(decisions: readonly TensorDecision[]): FileWarning[] {
  const counts = new Map<string, number>();
  for (const decision of decisions) {
    if (decision.kind === 'drop' || decision.insteadOf === undefined) continue;
    const became = decision.kind === 'convert' ? decision.type : 'what is stored';
    const change = `${became} instead of ${decision.insteadOf}`;
    counts.set(change, (counts.get(change) ?? 0) + 1);
  }
  if (counts.size === 0) return [];
  const changes = [...counts].map(([change, count]) => `${count} ${count === 1 ? 'tensor' : 'tensors'} to ${change}`);
  const message = `rows that are no whole blocks of their type get another one: ${changes.join(', ')}`;
  return [{ code: 'rows_fell_back', message }];
}

const labelsOf = (steps: readonly PlannedStep[]): string =>
  [...new Set(steps.map(({ stored }) => storageLabel(stored)))].join(', ');
