import type { CopyType, FileType } from '../types.js';
import type { Rulebook } from './rulebook.js';

/** What a whole file can be asked to become. */
export type WrittenType = FileType | CopyType;

/** As what llama.cpp asks its rules for the types that it then does not use. */
export const COPIED_AS: FileType = 'F32';

const WHY = 'copied';

/** Names, shapes and what is left out as ever, but every tensor keeps its type. */
export const copyingRulebook = ({ prefix, ...usual }: Rulebook): Rulebook => ({
  prefix,
  ...(usual.leftOutNote !== undefined && { leftOutNote: usual.leftOutNote }),
  leftOutBecause: (tensor) => usual.leftOutBecause(tensor),
  outputOf: (tensor) => usual.outputOf(tensor),
  keptBecause: () => WHY,
  typesOf: (open) => new Map(open.map(({ tensor }) => [tensor, { type: 'keep', rule: WHY }])),
});
