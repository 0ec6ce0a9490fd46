/** The options of `quantize` that say which columns count how much. */

import { InvalidArgumentError, Option } from 'commander';
import type { QuantizeFileOptions } from '../../index.js';
import { parseInput } from '../servers.js';

/** As commander gives them. */
export interface ImatrixOptions {
  readonly imatrix?: string;
  readonly includeWeights?: readonly string[];
  readonly excludeWeights?: readonly string[];
}

export const imatrixOptions = (): Option[] => [
  new Option(
    '--imatrix <file>',
    'importance matrix, as llama-imatrix writes it: a GGUF or a .dat, by path, URL or hf:organization/model/file',
  ).argParser(parseInput),
  new Option(
    '--include-weights <texts>',
    'use of it only what is for tensors with one of these texts in their names, such as ffn_down,attn_v; repeatable',
  ).argParser(collectTexts),
  new Option('--exclude-weights <texts>', 'use of it all but what is for such tensors; repeatable')
    .argParser(collectTexts)
    .conflicts('includeWeights'),
];

/** More of what is separated by commas, which no tensor's name has. */
function collectTexts(text: string, earlier: readonly string[] | undefined): readonly string[] {
  const texts = text.split(',');
  if (texts.includes('')) throw new InvalidArgumentError('It must be parts of tensor names, separated by commas.');
  return [...(earlier ?? []), ...texts];
}

/** What the library is told of them: it refuses what has no meaning. */
export const imatrixSettings = ({
  imatrix,
  includeWeights,
  excludeWeights,
}: ImatrixOptions): Pick<QuantizeFileOptions, 'imatrix' | 'includeWeights' | 'excludeWeights'> => ({
  ...{ imatrix, includeWeights, excludeWeights },
});

/** What is read besides the model. */
export const imatrixInputs = ({ imatrix }: ImatrixOptions): readonly string[] =>
  imatrix === undefined ? [] : [imatrix];
