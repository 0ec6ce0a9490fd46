import { isRecord } from '../../../containers/json.js';
import type { LoadedTokenizer } from './load.js';
import { member } from '../plain.js';

/**
 * A tokenizer.json that cuts texts as transformers has it do with what is beside it: with all added tokens, and what its class
 * of tokenizers does.
 */
export const effectiveTokenizer = (loaded: LoadedTokenizer): Readonly<Record<string, unknown>> => ({
  ...loaded.file.values,
  model: modelOf(loaded),
  normalizer: normalizerOf(loaded) ?? null,
  pre_tokenizer: preTokenizerOf(loaded) ?? null,
  post_processor: postProcessorOf(loaded) ?? null,
  decoder: null,
  added_tokens: addedTokensOf(loaded),
});

function modelOf({ file }: LoadedTokenizer): unknown {
  const model = file.get('model');
  if (!isRecord(model)) return model;
  return { ...model, vocab: file.vocabulary ?? model['vocab'], merges: file.merges ?? model['merges'] };
}

const addedTokensOf = ({ vocabulary }: LoadedTokenizer): readonly object[] =>
  [...vocabulary.added].map(([id, { singleWord, ...token }]) => ({ ...token, single_word: singleWord, id }));

/** BERT's lower case and accents as tokenizer_config.json has them. */
function normalizerOf({ file, config, class: kind }: LoadedTokenizer): unknown {
  const normalizer = file.get('normalizer');
  if (kind.lowers !== true || member(normalizer, 'type') !== 'BertNormalizer' || !isRecord(normalizer))
    return normalizer;
  const said = (name: string, otherwise: unknown): unknown =>
    config?.has(name) === true ? config.get(name) : otherwise;
  return {
    ...normalizer,
    lowercase: said('do_lower_case', true),
    strip_accents: said('strip_accents', null),
    handle_chinese_chars: said('tokenize_chinese_chars', true),
  };
}

/** Whether a space is put before texts is tokenizer_config.json's to say. */
function preTokenizerOf({ file, config, class: kind }: LoadedTokenizer): unknown {
  const preTokenizer = file.get('pre_tokenizer');
  const said = config?.has('add_prefix_space') === true ? config.get('add_prefix_space') : false;
  const isKept = kind.keepsPrefix === true || typeof said !== 'boolean';
  if (isKept || member(preTokenizer, 'type') !== 'ByteLevel' || !isRecord(preTokenizer)) return preTokenizer;
  return { ...preTokenizer, add_prefix_space: said };
}

function postProcessorOf({ file, config, class: kind, special }: LoadedTokenizer): unknown {
  if (kind.surrounds === undefined) return file.get('post_processor');
  const isAdded = (name: string, otherwise: boolean): boolean =>
    config?.has(name) === true ? Boolean(config.get(name)) : otherwise;
  const tokens = (name: string, otherwise: boolean): readonly object[] => {
    const [token] = isAdded(`add_${name}`, otherwise) ? (special.get(name) ?? []) : [];
    return token === undefined ? [] : [{ SpecialToken: { id: token.content, type_id: 0 } }];
  };
  const [begin, end] = [tokens('bos_token', kind.surrounds.bos), tokens('eos_token', false)];
  const sequence = (id: string): object => ({ Sequence: { id, type_id: 0 } });
  return {
    type: 'TemplateProcessing',
    single: [...begin, sequence('A'), ...end],
    pair: [...begin, sequence('A'), ...end, ...begin, sequence('B'), ...end],
    special_tokens: {},
  };
}
