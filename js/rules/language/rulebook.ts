import type { KeyValueReader, TypeRequest } from '../decision.js';
import { asItIs, type Rulebook } from '../rulebook.js';
import { isDecoded, undecodedBecause } from '../type-rules.js';
import { describeLanguageModel } from './model.js';
import { keptBecause } from './tensors.js';
import { languageTypes } from './types.js';

/** What llama.cpp makes of the GGUF of a language model. */
export const languageRulebook = (request: TypeRequest, architecture: string, keyValue: KeyValueReader): Rulebook => ({
  prefix: '',
  leftOutBecause: () => null,
  outputOf: asItIs,
  keptBecause: ({ tensor }) => keptBecause(tensor) ?? (isDecoded(tensor) ? null : undecodedBecause(tensor.dtype)),
  typesOf: (_, settled) => {
    const remaining = request.tensors.filter((tensor) => settled.get(tensor)?.type !== 'drop');
    const model = describeLanguageModel(architecture, remaining, keyValue);
    return languageTypes(request, model, new Set(settled.keys()));
  },
});
