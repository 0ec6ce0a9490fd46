import { isFloat } from '../../codecs/codec.js';
import { QuantizeError, quoted } from '../../errors.js';
import type { CodedTensor } from '../../layouts/tensor.js';
import type { PlannedStep } from '../../plan/report.js';
import { moduleOf } from './kinds.js';

/** Modules beside each other that programs hold as one, which is then quantized as a whole (llmcompressor 0.14). */
const FUSED: readonly (readonly string[])[] = [
  ['gate_proj', 'up_proj'],
  ['q_proj', 'k_proj', 'v_proj'],
  ['q_a_proj', 'kv_a_proj_with_mqa'],
  ['w1', 'w3'],
];

/** The steps of each such group that is complete. */
function fusedGroups(steps: readonly PlannedStep[]): readonly (readonly PlannedStep[])[] {
  const byModule = new Map(
    steps.flatMap((step): [string, PlannedStep][] => {
      const module = moduleOf(step.planned.name);
      return module === null ? [] : [[module, step]];
    }),
  );
  return [...byModule.keys()].flatMap((module) => {
    const parent = module.slice(0, module.lastIndexOf('.') + 1);
    const names = FUSED.find(([first]) => module === parent + (first ?? '')) ?? [];
    const members = names.flatMap((name) => byModule.get(parent + name) ?? []);
    return members.length > 0 && members.length === names.length ? [members] : [];
  });
}

const isQuantized = ({ planned: { target } }: PlannedStep): boolean =>
  target.kind === 'codec' && !isFloat(target.codec);

/** Throws `invalid_option` where rules leave a part as it is of what is quantized as a whole. */
export function checkFused(steps: readonly PlannedStep[]): void {
  for (const members of fusedGroups(steps)) {
    const kept = members.find((step) => !isQuantized(step));
    const quantized = members.find(isQuantized);
    if (kept === undefined || quantized === undefined) continue;
    const names = `${quoted(kept.planned.name)} stays as it is, but ${quoted(quantized.planned.name)} is quantized`;
    const detail = `${names}: programs hold them as one module, so give the rule to both`;
    throw new QuantizeError('invalid_option', { layer: kept.planned.name, detail });
  }
}

/** The same steps; those that are quantized as a whole have each other's extent in common. */
export function withSharedExtents(steps: readonly PlannedStep[]): readonly PlannedStep[] {
  const others = new Map<PlannedStep, readonly CodedTensor[]>();
  for (const members of fusedGroups(steps)) {
    for (const step of members) {
      if (!isQuantized(step)) continue;
      others.set(
        step,
        members.flatMap(({ stored }) => (stored.codec === null || stored === step.stored ? [] : [stored])),
      );
    }
  }
  return steps.map((step) => {
    const rangeOf = others.get(step);
    return rangeOf === undefined ? step : { ...step, rangeOf };
  });
}
