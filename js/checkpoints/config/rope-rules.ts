/** What the config classes of transformers 4.57 check of `rope_scaling`. */

import { isObject, jsonNumber, type Json, type JsonObject } from '../../formats/folder/json.js';
import { intIn, isFloat, isList, isNumber, type Rule } from './kind.js';

/** The old name counts, where it is there. */
export const ropeType: Rule = (config) => {
  const scaling = config.get('rope_scaling');
  if (scaling === undefined || scaling === null) return true;
  if (!isObject(scaling)) return false;
  const type = scaling.get('type');
  if (type !== undefined) config.set('rope_scaling', new Map([...scaling, ['rope_type', type]]));
  return true;
};

/** What a kind of model scales by where its config says nothing. */
export const scalingUnlessGiven = (values: Readonly<Record<string, number | string | boolean>>): Rule => {
  const members = Object.entries(values).map(([name, value]): [string, Json] => [
    name,
    typeof value === 'number' ? jsonNumber(value) : value,
  ]);
  return (config) => {
    if (!config.has('rope_scaling')) config.set('rope_scaling', new Map(members));
    return true;
  };
};

/** What a kind of scaling must have. */
const NEEDED: ReadonlyMap<Json, readonly string[]> = new Map([
  ['default', []],
  ['linear', ['factor']],
  ['dynamic', ['factor']],
  ['yarn', ['factor']],
  ['longrope', ['short_factor', 'long_factor']],
  ['llama3', ['factor', 'original_max_position_embeddings', 'low_freq_factor', 'high_freq_factor']],
]);

/** What is compared with `<`, and so must be numbers. */
const COMPARED = ['original_max_position_embeddings', 'low_freq_factor', 'high_freq_factor'] as const;

export const ropeKeys: Rule = (config) => {
  const scaling = config.get('rope_scaling');
  if (scaling === undefined || scaling === null) return true;
  if (!isObject(scaling)) return false;
  const type = (scaling.has('rope_type') ? scaling.get('rope_type') : scaling.get('type')) ?? 'default';
  const needed = NEEDED.get(type);
  if (needed === undefined) return !isObject(type) && !isList(type);
  if (!scaling.has('rope_type') || !needed.every((name) => scaling.has(name))) return false;
  if (type === 'longrope') return [scaling.get('short_factor'), scaling.get('long_factor')].every(isList);
  const compares = type === 'llama3' || (type === 'yarn' && (scaling.get(COMPARED[0]) ?? null) !== null);
  if (compares && !isNumber(config.get('max_position_embeddings'))) return false;
  return type !== 'llama3' || COMPARED.every((name) => isNumber(scaling.get(name)));
};

/** Granite: only where positions are rotated at all. */
export const rotatedRopeKeys: Rule = (config) => config.get('position_embedding_type') !== 'rope' || ropeKeys(config);

/** OLMo: nothing but a type and a factor. */
export const plainScaling: Rule = (config) =>
  onlyScaling(config, 2, (scaling) => {
    const type = scaling.get('type');
    const factor = scaling.get('factor');
    return (
      (type === 'linear' || type === 'dynamic') && isFloat(factor) && isNumber(factor) && Number(factor.number) > 1
    );
  });

/** Phi-3: a factor for each rotated pair of dimensions, for short texts and for long ones. */
export const longScaling: Rule = (config) =>
  renamedScaling(config) &&
  onlyScaling(config, 3, (scaling) => {
    const pairs = rotatedPairs(config);
    const fits = (factors: Json | undefined): boolean =>
      isList(factors) && factors.every(isNumber) && factors.length === pairs;
    return scaling.get('type') === 'longrope' && fits(scaling.get('short_factor')) && fits(scaling.get('long_factor'));
  });

/** Earlier names of the same. */
function renamedScaling(config: Map<string, Json>): boolean {
  const scaling = config.get('rope_scaling');
  if (!isObject(scaling)) return scaling === undefined || scaling === null;
  const type = scaling.get('type');
  if (type === 'su' || type === 'yarn') config.set('rope_scaling', new Map([...scaling, ['type', 'longrope']]));
  return true;
}

function rotatedPairs(config: Map<string, Json>): number | undefined {
  const size = intIn(config.get('hidden_size'));
  const heads = intIn(config.get('num_attention_heads'));
  const part = config.get('partial_rotary_factor');
  if (size === undefined || heads === undefined || heads === 0 || !isNumber(part)) return undefined;
  return Math.floor(Math.trunc(Math.floor(size / heads) * Number(part.number)) / 2);
}

/** Phi-3.5-MoE. */
export const mixedScaling: Rule = (config) => {
  const scaling = config.get('rope_scaling');
  if (scaling === undefined || scaling === null) return true;
  if (!isObject(scaling)) return false;
  const original = scaling.get('original_max_position_embeddings');
  if (original !== undefined) config.set('original_max_position_embeddings', original);
  const type = scaling.get('rope_type') ?? scaling.get('type') ?? null;
  config.set('rope_scaling', new Map([...scaling, ['rope_type', type]]));
  return ['short_mscale', 'long_mscale'].every((name) => isNumber(scaling.get(name)));
};

const onlyScaling = (config: Map<string, Json>, size: number, fits: (scaling: JsonObject) => boolean): boolean => {
  const scaling = config.get('rope_scaling');
  if (scaling === undefined || scaling === null) return true;
  return isObject(scaling) && scaling.size === size && fits(scaling);
};
