import type { KeyValueReader, OutputForm, TypeRequest } from '../decision.js';
import { ggmlRank } from '../file-types.js';
import type { TensorDescription } from '../rule.js';
import type { Rulebook } from '../rulebook.js';
import { isDecoded, undecodedBecause } from '../type-rules.js';
import { describeLanguageModel } from './model.js';
import { keptBecause, onlyF32Because } from './tensors.js';
import { languageTypes } from './types.js';

/** ggml does not count leading dimensions of 1, and writes a tensor without them. */
const withoutLeadingOnes = ({ name, shape }: TensorDescription): OutputForm => ({
  ...{ name, keyValues: [] },
  shape: shape.length === 0 ? shape : shape.slice(shape.length - ggmlRank(shape)),
});

/** What llama.cpp makes of the GGUF of a language model. */
export const languageRulebook = (request: TypeRequest, architecture: string, keyValue: KeyValueReader): Rulebook => ({
  prefix: '',
  leftOutBecause: () => null,
  outputOf: withoutLeadingOnes,
  keptBecause: ({ tensor }) => keptBecause(tensor) ?? (isDecoded(tensor) ? null : undecodedBecause(tensor.dtype)),
  onlyF32Because: ({ tensor }) => onlyF32Because(architecture, tensor),
  typesOf: (open, settled) => {
    const taken = [...settled].flatMap(([tensor, { type }]) => (type === 'drop' ? [] : [tensor]));
    const remaining = [...open.map(({ tensor }) => tensor), ...taken];
    return languageTypes(open, request, describeLanguageModel(architecture, remaining, keyValue));
  },
});
