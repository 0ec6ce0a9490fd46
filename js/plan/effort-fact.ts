import type { Fact } from '../containers/container.js';
import { effortOf } from './plan.js';
import type { PlannedStep } from './report.js';

/** Under which a GGUF says how hard the search for its weights was. */
export const EFFORT_KEY = 'arrowquant.effort';

/** Says of a file that its weights are other ones than llama.cpp makes of the same model. */
export function effortFacts(steps: readonly PlannedStep[]): readonly Fact[] {
  const effort = effortOf(steps);
  return effort === 'reference' ? [] : [{ key: EFFORT_KEY, type: 'text', value: effort }];
}
