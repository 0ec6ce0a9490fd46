import type { TensorRule } from './rule.js';

/** What stays unquantized in every model. */
export const GENERAL_RULES: readonly TensorRule[] = [
  { name: 'not F32, F16 or BF16', when: { dtypeNotIn: ['F32', 'F16', 'BF16'] } },
  { name: 'empty', when: { fewerElementsThan: 1 } },
  { name: 'bias', when: { parameter: /(?:^|_)bias$/u } },
  // `norm1.linear` in diffusers is the modulation of a block, a large matrix: only what the norm itself holds is meant.
  { name: 'norm', when: { module: /norm|^(?:ln|gn|bn)(?:_|\d|$)/iu } },
  { name: 'rank below 2', when: { rankBelow: 2 } },
];
