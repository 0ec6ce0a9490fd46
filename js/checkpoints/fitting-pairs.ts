import { findKeyValue, type GgufKeyValue, type GgufValue } from '../containers/gguf/key-values.js';
import { encodedPair, type PlainKeyValue } from '../containers/gguf/plain-key-value.js';
import { QuantizeError, quoted } from '../errors.js';
import type { Model } from '../models/model.js';
import { pairsOf, withKeyValues } from '../plan/key-values.js';
import { checkFactors } from './given-pairs.js';
import { settable } from './settable-pairs.js';
import { isAboutLayers, isSize, keyLength, toldByTensors, type Sized } from './told-sizes.js';

/** A language model's GGUF, as if it had said what the caller wants it to say. */
interface Changed extends Sized {
  readonly before: readonly GgufKeyValue[];
  /** Whether layers are left out. */
  readonly isPruned: boolean;
  /** Tokens of the vocabulary; 0 where there is none. */
  readonly tokens: number;
}

/**
 * Throws `invalid_option` for pairs with which llama.cpp would not open a GGUF whose tensors are what they were: those that
 * contradict the tensors or the vocabulary, and values that it does not take. A pair that says what the file has said, or what
 * the tensors say, is right.
 */
export function checkFitting(model: Model, given: readonly PlainKeyValue[], prunedLayers: readonly number[]): void {
  const before = pairsOf(model);
  if (given.length === 0 || before === null) return;
  const { fact, tensors } = withKeyValues(model, given);
  const architecture = String(fact('general.architecture') ?? '');
  const pairs = given.map(encodedPair);
  const tokens = [...pairs, ...before].find(({ key }) => key === 'tokenizer.ggml.tokens')?.array?.length ?? 0;
  const changed: Changed = {
    ...{ architecture, tensors, before, tokens },
    said: (key) => fact(`${architecture}.${key}`),
    isPruned: prunedLayers.length > 0,
  };
  for (const pair of pairs) checkPair(pair, changed);
  checkFactors(`${architecture}.rope.scaling.type`, given, tensors);
}

function checkPair(given: GgufKeyValue, model: Changed): void {
  const { architecture, before, tensors, tokens } = model;
  const { key, value } = given;
  const earlier = findKeyValue(before, key);
  if (isSame(value, earlier?.value)) return;
  const [prefix, ...rest] = key.split('.');
  if (prefix === architecture) checkNumber(rest.join('.'), given, model);
  if (key.startsWith('tokenizer.ggml.')) checkVocabulary(given, earlier, model);
  if (key === 'general.type') throw refused(key, 'says what the file is, and so must stay; leave it out');
  const known = settable(key, architecture, hasPositions(tensors)) ?? undefined;
  if (known === undefined) return;
  const type = given.array === null ? given.type : `${given.array.type}[]`;
  if (earlier === undefined && known.type !== type) {
    const detail = `keyValues gives ${quoted(key)} the type ${type}, but llama.cpp reads ${known.type}; give one of that type`;
    throw new QuantizeError('invalid_option', { detail });
  }
  if (known.values?.isRight(value, tokens) === false) {
    throw refused(key, `must be ${known.values.needed}, as llama.cpp takes nothing else`);
  }
}

const hasPositions = (tensors: Sized['tensors']): boolean =>
  tensors.some(({ name }) => name === 'position_embd.weight');

const refused = (key: string, why: string): QuantizeError =>
  new QuantizeError('invalid_option', { detail: `keyValues has ${quoted(key)}, which ${why}` });

const isSame = (one: GgufValue, other: GgufValue | undefined): boolean =>
  one === other ||
  (Array.isArray(one) &&
    Array.isArray(other) &&
    one.length === other.length &&
    one.every((element, index) => element === other[index]));

/** A pair of the architecture, of which `name` is the rest of the key. */
function checkNumber(name: string, { key, value }: GgufKeyValue, model: Changed): void {
  if (model.isPruned && isAboutLayers(name)) return;
  const told = toldByTensors(name, model);
  if (told === value) return;
  if (told !== undefined) {
    const detail = `keyValues gives ${quoted(key)} the value ${String(value)}, but the model's tensors say ${told}; give that, or leave it out`;
    throw new QuantizeError('invalid_option', { detail });
  }
  if (isSize(name)) throw refused(key, 'the sizes of tensors follow from, and these stay; leave it out');
  if (name === 'expert_used_count') checkUsedExperts(key, value, model);
  if (name.endsWith('_epsilon') && !(Number(value) >= 0)) throw refused(key, 'must be at least 0');
  if (name === 'rope.dimension_count') checkTurned(key, value, model);
}

function checkUsedExperts(key: string, value: GgufValue, model: Changed): void {
  const experts = Number(model.said('expert_count') ?? 0);
  if (experts === 0) throw refused(key, 'has no meaning, because the model has no experts; leave it out');
  const most = Array.isArray(value) ? Math.max(...value.map(Number)) : Number(value);
  if (most < 1 || most > experts) throw refused(key, `must be from 1 to ${experts}, which are the model's experts`);
}

function checkTurned(key: string, value: GgufValue, model: Changed): void {
  const most = keyLength(model);
  const turned = Number(value);
  if (most === undefined || (turned % 2 === 0 && turned > 0 && turned <= most)) return;
  throw refused(key, `must be an even number up to ${most}, which is how long the keys of a head are`);
}

/** What has a value for each token. */
const OF_TOKENS: readonly string[] = ['tokens', 'scores', 'token_type'];

function checkVocabulary(given: GgufKeyValue, earlier: GgufKeyValue | undefined, model: Changed): void {
  const { key, value, array } = given;
  const name = key.slice('tokenizer.ggml.'.length);
  if (name === 'model' && earlier !== undefined)
    throw refused(key, 'says of what kind the vocabulary is, and so must stay; leave it out');
  const types = model.tensors.find((tensor) => tensor.name === 'token_types.weight')?.shape.at(-2);
  if (name === 'token_type_count' && types !== undefined && value !== types)
    throw refused(key, `must be ${types}, which are those that the model's tensors have`);
  const rows = toldByTensors('vocab_size', model) ?? model.tokens;
  if (!OF_TOKENS.includes(name) || earlier !== undefined || array?.length === rows) return;
  throw refused(key, `must be an array of ${rows}, one for each token`);
}
