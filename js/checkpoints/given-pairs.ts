import { findKeyValue, textOf, type GgufKeyValue } from '../containers/gguf/key-values.js';
import { encodedPair } from '../containers/gguf/plain-key-value.js';
import { QuantizeError, quoted } from '../errors.js';
import { ARCHITECTURES } from './architectures/table.js';
import type { CheckpointOptions } from './checkpoint.js';
import type { KeyList } from './key-list.js';
import { settable } from './settable-pairs.js';
import type { Weight } from './weights/weight.js';

/**
 * Sets the caller's pairs. Throws `invalid_option` for those that follow from weights or vocabulary, that are of another model's
 * architecture, and whose type or value llama.cpp would not take: it would refuse the file.
 */
export function setGiven(
  pairs: KeyList,
  weights: readonly Pick<Weight, 'name'>[],
  { keyValues, name, pre }: Pick<CheckpointOptions, 'keyValues' | 'name' | 'pre'>,
): void {
  checkPre(pairs, pre);
  const architecture = textOf(pairs.pairs, 'general.architecture') ?? '';
  const tokens = findKeyValue(pairs.pairs, 'tokenizer.ggml.tokens')?.array?.length ?? 0;
  const hasPositions = weights.some((weight) => weight.name === 'position_embd.weight');
  for (const given of keyValues.map(encodedPair)) {
    if (given.key === 'general.name' && name !== null) throw refused(given, 'is what name says already; leave one out');
    checkArchitecture(given, architecture);
    const known = settable(given.key, architecture, hasPositions);
    if (known === null) throw refused(given, 'follows from the model itself; leave it out');
    const before = findKeyValue(pairs.pairs, given.key);
    checkType(given, before === undefined ? known?.type : typeOf(before));
    if (known?.values?.isRight(given.value, tokens) === false) {
      throw refused(given, `must be ${known.values.needed}, as llama.cpp takes nothing else`);
    }
    pairs.set(given);
  }
  checkAdded(pairs, keyValues);
  checkFactors(`${architecture}.rope.scaling.type`, keyValues, weights);
}

function checkPre(pairs: KeyList, pre: string | null): void {
  if (pre === null || pre === textOf(pairs.pairs, 'tokenizer.ggml.pre')) return;
  const detail =
    'pre has no meaning, because the tokenizer is a SentencePiece model, which has no pre-tokenizer; leave it out';
  throw new QuantizeError('invalid_option', { detail });
}

const refused = ({ key }: Pick<GgufKeyValue, 'key'>, why: string): QuantizeError =>
  new QuantizeError('invalid_option', { detail: `keyValues has ${quoted(key)}, which ${why}` });

function checkArchitecture(given: GgufKeyValue, architecture: string): void {
  const [first] = given.key.split('.', 1);
  if (first === architecture || !ARCHITECTURES.some(({ name }) => name === first)) return;
  throw refused(given, `nobody reads in a model of the architecture ${quoted(architecture)}; leave it out`);
}

function checkType(given: GgufKeyValue, type: string | undefined): void {
  if (type === undefined || type === typeOf(given)) return;
  const detail = `keyValues gives ${quoted(given.key)} the type ${typeOf(given)}, but it is of the type ${type}`;
  throw new QuantizeError('invalid_option', { detail });
}

const typeOf = ({ type, array }: GgufKeyValue): string => (array === null ? type : `${array.type}[]`);

/** llama.cpp ends itself over a text to which it should add a token that it does not know. */
function checkAdded(pairs: KeyList, given: CheckpointOptions['keyValues']): void {
  for (const [added, token] of [
    ['bos', 'bos'],
    ['eos', 'eos'],
    ['sep', 'seperator'],
  ] as const) {
    const key = `tokenizer.ggml.add_${added}_token`;
    const id = `tokenizer.ggml.${token}_token_id`;
    if (pairs.has(id) || !given.some((pair) => pair.key === key && pair.value === true)) continue;
    throw refused({ key }, `needs ${quoted(id)}, and the model has none; give that, too`);
  }
}

/** In all other families llama.cpp looks for one kind of factors of frequencies alone, and opens no file with those of the other. */
const FACTORS_IN_ANY_CASE: readonly string[] = ['phi3'];

/** Throws `invalid_option` for a kind of scaling, at `key`, whose factors the model has not. */
export function checkFactors(
  key: string,
  given: CheckpointOptions['keyValues'],
  weights: readonly Pick<Weight, 'name'>[],
): void {
  const type = given.find((pair) => pair.key === key)?.value;
  if (type === undefined || FACTORS_IN_ANY_CASE.some((name) => key.startsWith(`${name}.`))) return;
  const has = (name: string): boolean => weights.some((weight) => weight.name === name);
  const isLong = type === 'longrope';
  if (isLong ? !has('rope_freqs.weight') : !has('rope_factors_long.weight')) return;
  const needed = isLong ? 'must not be longrope' : 'must be longrope';
  throw refused({ key }, `${needed}, because llama.cpp would not find the factors of frequencies that the model has`);
}
