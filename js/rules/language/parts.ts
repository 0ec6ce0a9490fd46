import { QuantizeError } from '../../errors.js';
import type { TensorType } from '../../types.js';
import { fulfils, type PlainRule, type TensorDescription } from '../rule.js';

/** What is asked for the parts of a language model that have names of their own, beside its blocks. */
export interface AskedParts {
  /** Whether the output matrix stays as it is. */
  readonly leavesOutput: boolean;
  /** What it becomes, or the embeddings where they are the output, too; null: what the type of the file says. */
  readonly outputType: TensorType | null;
  readonly embeddingType: TensorType | null;
}

const OUTPUT = /^output\.weight$/u;
const EMBEDDING = /^token_embd\.weight$/u;
const LAYER_EMBEDDING = /^per_layer_token_embd\.weight$/u;

/**
 * The caller's rules with those that the parts are asked for by, in the order in which llama.cpp goes by them: before the others,
 * but for the large table of embeddings of single blocks, and for embeddings that are the output only because there is no other.
 * Throws `invalid_option` for a part that the model does not have.
 */
export function rulesWithParts(
  { leavesOutput, outputType, embeddingType }: AskedParts,
  rules: readonly PlainRule[],
  tensors: readonly TensorDescription[],
  isMixed: boolean,
): readonly PlainRule[] {
  const has = (name: RegExp): boolean => tensors.some((tensor) => fulfils(tensor, { name }));
  const about = (option: string, name: RegExp, type: PlainRule['type']): readonly PlainRule[] =>
    has(name) ? [{ name: `${option}${type === 'keep' ? '' : `=${type}`}`, when: { name }, type }] : [];
  const embedding = (name: RegExp): readonly PlainRule[] =>
    embeddingType === null ? [] : about('embeddingType', name, embeddingType);
  const output = leavesOutput
    ? about('leaveOutput', OUTPUT, 'keep')
    : outputType === null
      ? []
      : about('outputType', OUTPUT, outputType);
  const isTied = outputType !== null && isMixed && embeddingType === null && !has(OUTPUT);
  const tied = isTied
    ? [...about('outputType', EMBEDDING, outputType), ...about('outputType', LAYER_EMBEDDING, outputType)]
    : [];
  const embeddings = [embedding(EMBEDDING), embedding(LAYER_EMBEDDING)];
  if (embeddingType !== null && embeddings.every(({ length }) => length === 0))
    throw missing('embeddingType', 'token_embd.weight');
  if (leavesOutput && output.length === 0) throw missing('leaveOutput', 'output.weight');
  if (outputType !== null && output.length + tied.length === 0) throw missing('outputType', 'output.weight');
  return [...(embeddings[0] ?? []), ...output, ...rules, ...(embeddings[1] ?? []), ...tied];
}

const missing = (option: string, name: string): QuantizeError =>
  new QuantizeError('invalid_option', {
    detail: `${option} has no meaning, because the model has no ${name} that it could be about; leave it out`,
  });
