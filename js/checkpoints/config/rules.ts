/** What the config classes of transformers 4.57 derive and check, where a converted file can tell. */

import { jsonNumber, type Json } from '../../formats/folder/json.js';
import { intIn, isList, isNumber, type Rule } from './kind.js';

/** More layers than any model has; their types are a list that is made here. */
const MOST_LAYERS = 65_536;

/** As many heads of keys and values as of queries. */
export const keyValueHeads: Rule = (config) => {
  if (isNull(config.get('num_key_value_heads'))) copy(config, 'num_attention_heads', 'num_key_value_heads');
  return true;
};

/** The heads share the hidden size, where the file says nothing else. */
export const headDim: Rule = (config) => !isNull(config.get('head_dim')) || sharedHeadDim(config);

/** The same; here even null is something else. */
export const headDimUnlessGiven: Rule = (config) => config.has('head_dim') || sharedHeadDim(config);

function sharedHeadDim(config: Map<string, Json>): boolean {
  const size = intIn(config.get('hidden_size'));
  const heads = intIn(config.get('num_attention_heads'));
  if (size === undefined || heads === undefined || heads === 0) return false;
  config.set('head_dim', jsonNumber(Math.floor(size / heads)));
  return true;
}

/** DeepSeek: the rotated part of a head passes for the head. */
export const rotatedHeadDim: Rule = (config) => {
  copy(config, 'qk_rope_head_dim', 'head_dim');
  return true;
};

export const rotatedHeadDimUnlessGiven: Rule = (config) => config.has('head_dim') || rotatedHeadDim(config);

/** Qwen: a window that is not used is none. */
export const usedWindow: Rule = (config) => {
  if (!isTrue(config.get('use_sliding_window'))) config.set('sliding_window', null);
  return true;
};

/** Qwen: layers from `max_window_layers` on slide, where any do. */
export const upperLayersSlide =
  (fallback: number): Rule =>
  (config) => {
    const first = config.get('max_window_layers') ?? jsonNumber(fallback);
    const begin = isNull(config.get('sliding_window')) ? Infinity : intIn(first);
    return begin !== undefined && layerTypes(config, (layer) => layer < begin);
  };

/** Every n-th layer attends to everything; the others to a window, or to what `other` says. */
export const everyNthIsFull =
  (interval: number, pattern?: string): Rule =>
  (config) => {
    const given = pattern === undefined ? undefined : config.get(pattern);
    const every = given === undefined ? interval : intIn(given);
    if (every !== undefined && every !== 0) return layerTypes(config, (layer) => (layer + 1) % every === 0);
    return !isNull(config.get('layer_types')) && layerTypes(config, () => true);
  };

/** OLMo 3: the number of given types need not be that of the layers. */
export const everyFourthIsFull: Rule = (config) => {
  const given = config.get('layer_types');
  if (isNull(given)) return layerTypes(config, (layer) => (layer + 1) % 4 === 0);
  return isList(given) && given.every((one) => KNOWN_LAYERS.has(one));
};

/** EXAONE: layers that slide need a window. */
export const windowOrTypes: Rule = (config) =>
  !(isNull(config.get('sliding_window')) && isNull(config.get('layer_types')));

/** Gemma as an encoder: half of the window lies behind a token, half of it ahead. */
export const windowOnBothSides: Rule = (config) => {
  if (!isTrue(config.get('use_bidirectional_attention'))) return true;
  const window = intIn(config.get('sliding_window'));
  if (window !== undefined) config.set('sliding_window', jsonNumber(Math.floor(window / 2) + 1));
  return window !== undefined;
};

/** Ministral: all layers slide, or none. */
export const allSlide: Rule = (config) => {
  const full = isNull(config.get('sliding_window'));
  return !isNull(config.get('layer_types')) || layerTypes(config, () => full);
};

/** SmolLM3: one layer in four does not rotate, and only those may slide. */
export const unrotatedLayers: Rule = (config) => {
  const layers = layerCount(config);
  const interval = intIn(config.get('no_rope_layer_interval') ?? jsonNumber(4));
  if (layers === undefined || interval === undefined || interval === 0) return false;
  if (isNull(config.get('no_rope_layers'))) {
    const rotates = Array.from({ length: layers }, (_, layer) => jsonNumber(Number((layer + 1) % interval !== 0)));
    config.set('no_rope_layers', rotates);
  }
  const rotated = config.get('no_rope_layers');
  if (!isList(rotated) || (isNull(config.get('layer_types')) && rotated.length < layers)) return false;
  const slides = isTrue(config.get('use_sliding_window')) && !isNull(config.get('sliding_window'));
  return layerTypes(config, (layer) => !slides || intIn(rotated[layer]) !== 0);
};

/** LFM2: layers without attention are convolutions. */
export const convolutions: Rule = (config) => {
  if (config.has('theta')) copy(config, 'theta', 'rope_theta');
  if (config.has('block_ff_dim')) copy(config, 'block_ff_dim', 'intermediate_size');
  if (!isNull(config.get('layer_types'))) return true;
  const layers = layerCount(config);
  const given = config.get('full_attn_idxs');
  if (layers === undefined || !(isNull(given) || isList(given))) return false;
  const full = isList(given) ? new Set(given.map(intIn)) : undefined;
  const typeOf = (layer: number): Json => (full?.has(layer) === false ? 'conv' : 'full_attention');
  config.set(
    'layer_types',
    Array.from({ length: layers }, (_, layer) => typeOf(layer)),
  );
  return true;
};

/** GPT-NeoX: other names for how positions are rotated. */
export const neoxRotation: Rule = (config) => {
  copy(config, 'rotary_pct', 'partial_rotary_factor');
  copy(config, 'rotary_emb_base', 'rope_theta');
  return true;
};

/** GPT-NeoX: the heads share the hidden size evenly. */
export const evenHeads: Rule = (config) => {
  const size = intIn(config.get('hidden_size'));
  const heads = intIn(config.get('num_attention_heads'));
  return size !== undefined && heads !== undefined && heads !== 0 && size % heads === 0;
};

/** Falcon, Bloom: an old name of the hidden size. */
export const oldHiddenSize: Rule = (config) => {
  if (!isNull(config.get('n_embed'))) copy(config, 'n_embed', 'hidden_size');
  config.delete('n_embed');
  return true;
};

/** Falcon. */
export const falconHeads: Rule = (config) => {
  if (config.has('head_dim')) return false;
  if (isNull(config.get('num_kv_heads'))) copy(config, 'num_attention_heads', 'num_kv_heads');
  if (!isNull(config.get('ffn_hidden_size'))) return true;
  const size = intIn(config.get('hidden_size'));
  if (size !== undefined) config.set('ffn_hidden_size', jsonNumber(size * 4));
  return size !== undefined;
};

/** StarCoder: one head of keys and values, unless there is one for each. */
export const multiQuery: Rule = (config) => {
  if (config.has('num_key_value_heads')) return true;
  if (isTrue(config.get('multi_query') ?? true)) config.set('num_key_value_heads', jsonNumber(1));
  else copy(config, 'n_head', 'num_key_value_heads');
  return true;
};

/** Mamba. */
export const timeStepRank: Rule = (config) => {
  if (config.get('time_step_rank') !== 'auto') return true;
  const size = intIn(config.get('hidden_size'));
  if (size !== undefined) config.set('time_step_rank', jsonNumber(Math.ceil(size / 16)));
  return size !== undefined;
};

/** Mamba. */
export const expandedSize: Rule = (config) => {
  if (!isNull(config.get('intermediate_size'))) return true;
  const size = expanded(config);
  if (size !== undefined) config.set('intermediate_size', jsonNumber(Math.trunc(size)));
  return size !== undefined;
};

/** Mamba 2. */
export const headsOfExpandedSize: Rule = (config) => {
  const heads = intIn(config.get('num_heads'));
  const dim = intIn(config.get('head_dim'));
  return heads !== undefined && dim !== undefined && heads * dim === expanded(config);
};

/** Granite: the heads of layers with a state share the expanded size. */
export const mambaHeads: Rule = (config) => {
  const size = intIn(config.get('hidden_size'));
  const expand = intIn(config.get('mamba_expand'));
  const heads = intIn(config.get('mamba_n_heads'));
  if (size === undefined || expand === undefined || heads === undefined || heads === 0) return false;
  if (config.get('mamba_d_head') === 'auto' && (size * expand) % heads === 0) {
    config.set('mamba_d_head', jsonNumber((size * expand) / heads));
  }
  return intIn(config.get('mamba_d_head')) === (size * expand) / heads;
};

/** Granite. */
export const mambaLayers: Rule = (config) => {
  const types = config.get('layer_types');
  return isNull(types) || (isList(types) && types.every((type) => type === 'mamba' || type === 'attention'));
};

function expanded(config: Map<string, Json>): number | undefined {
  const size = intIn(config.get('hidden_size'));
  const factor = config.get('expand');
  return size === undefined || !isNumber(factor) ? undefined : size * Number(factor.number);
}

/** ModernBERT: what other models call so means nothing here. */
export const noRopeTheta: Rule = (config) => {
  config.delete('rope_theta');
  return true;
};

/** T5. */
export const asManyDecoderLayers: Rule = (config) => {
  if (isNull(config.get('num_decoder_layers'))) copy(config, 'num_layers', 'num_decoder_layers');
  return true;
};

const KNOWN_LAYERS: ReadonlySet<Json> = new Set([
  'full_attention',
  'sliding_attention',
  'chunked_attention',
  'linear_attention',
]);

/** Fills in `layer_types` where there are none; false where what is there cannot be. */
function layerTypes(config: Map<string, Json>, isFull: (layer: number) => boolean): boolean {
  const layers = layerCount(config);
  if (layers === undefined) return false;
  const given = config.get('layer_types');
  if (!isNull(given)) {
    return isList(given) && given.length === layers && given.every((one) => KNOWN_LAYERS.has(one));
  }
  const types = Array.from({ length: layers }, (_, layer) => (isFull(layer) ? 'full_attention' : 'sliding_attention'));
  config.set('layer_types', types);
  return true;
}

function layerCount(config: Map<string, Json>): number | undefined {
  const layers = intIn(config.get('num_hidden_layers'));
  return layers !== undefined && layers >= 0 && layers <= MOST_LAYERS ? layers : undefined;
}

function copy(config: Map<string, Json>, from: string, to: string): void {
  config.set(to, config.get(from) ?? null);
}

const isNull = (value: Json | undefined): boolean => value === undefined || value === null;

/** What Python takes for true. */
const isTrue = (value: Json | undefined): boolean => {
  if (typeof value !== 'object') return Boolean(value);
  if (value === null) return false;
  if (isList(value)) return value.length > 0;
  return 'number' in value ? Number(value.number) !== 0 : value.size > 0;
};
