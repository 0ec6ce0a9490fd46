import { fitting } from '../rules/fallbacks.js';
import { BASE_TYPES } from '../rules/file-types.js';
import { onlyF32Because } from '../rules/language/tensors.js';
import { isDecoded, undecodedBecause } from '../rules/type-rules.js';
import { asItIs, type Rulebook } from '../rules/rulebook.js';
import type { FileType } from '../types.js';
import type { Architecture } from './architectures/architecture.js';

/** The types of files that llama.cpp's converter writes itself. */
export const CONVERTER_TYPES: readonly FileType[] = ['F32', 'F16', 'BF16', 'Q8_0'];

/** Ends of names of tensors that are F32 in every file, besides norms. */
const F32_ENDS: readonly string[] = [
  ...['ffn_gate_inp.weight', 'ffn_gate_inp_shexp.weight', 'position_embd.weight', 'token_types.weight'],
  ...['ssm_conv1d.weight', 'shortconv.conv.weight'],
];

/** Why the converter writes a tensor as F32 whatever the type of the file is; null where it does not. */
export function f32Because({
  name,
  shape,
}: {
  readonly name: string;
  readonly shape: readonly number[];
}): string | null {
  if (shape.length < 2) return 'rank below 2';
  if (name.endsWith('_norm.weight')) return 'norm';
  if (!name.endsWith('.weight')) return 'no weight';
  return F32_ENDS.some((end) => name.endsWith(end)) ? 'F32 in every file' : null;
}

/** What llama.cpp's converter makes of each tensor with `--outtype target`. */
export const converterRulebook = (architecture: Architecture, target: FileType): Rulebook => ({
  prefix: '',
  leftOutBecause: () => null,
  outputOf: asItIs,
  keptBecause: ({ tensor, output }) => (isDecoded(tensor) ? f32Because(output) : undecodedBecause(tensor.dtype)),
  onlyF32Because: ({ tensor, output }) => onlyF32Because(architecture.name, { ...tensor, ...output }),
  typesOf: (open) =>
    new Map(
      open.map(({ tensor, output }) => {
        if (!isDecoded(tensor)) return [tensor, { type: 'keep' as const, rule: undecodedBecause(tensor.dtype) }];
        const rule = f32Because(output);
        const choice =
          rule === null
            ? fitting({ type: BASE_TYPES[target], rule: 'matrix' }, output.shape)
            : { type: 'F32' as const, rule };
        return [tensor, choice];
      }),
    ),
});
