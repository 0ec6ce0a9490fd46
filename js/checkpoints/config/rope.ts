import { isObject, type Json, type JsonObject } from '../../formats/folder/json.js';

/** Under which names a config may have the same thing, the first one there counts. */
const THETA = ['global_rope_theta', 'rope_global_theta', 'rope_theta_global', 'rope_theta', 'rotary_emb_base'];
const LOCAL_THETA = [
  'local_rope_theta',
  'rope_local_theta',
  'rope_theta_local',
  'swa_rope_theta',
  'rope_local_base_freq',
];
const PARTIAL = ['partial_rotary_factor', 'rope_pct', 'rope_percent'];

/**
 * How positions are rotated, in one place: `rope_parameters`, else `rope_scaling`, with what stands beside them in the config.
 * Undefined where what should be an object is none.
 */
export function ropeParameters(config: JsonObject): JsonObject | undefined {
  const own = config.has('rope_parameters') ? config.get('rope_parameters') : config.get('rope_scaling');
  if (isNothing(own)) return mirrored(new Map(), config);
  return isObject(own) ? mirrored(own, config) : undefined;
}

function mirrored(own: JsonObject, config: JsonObject): JsonObject {
  if (own.has('full_attention') || own.has('sliding_attention')) return own;
  const values = new Map(own);
  const local = find(config, LOCAL_THETA);
  if (local !== null) values.set('sliding_attention', new Map([['rope_theta', local]]));
  const fill = (name: string, value: Json): void => {
    if (value !== null && !values.has(name)) values.set(name, value);
  };
  fill('rope_theta', find(config, THETA));
  fill('rope_type', values.get('type') ?? null);
  fill('partial_rotary_factor', find(config, PARTIAL));
  fill('original_max_position_embeddings', config.get('original_max_position_embeddings') ?? null);
  return values;
}

function find(config: JsonObject, names: readonly string[]): Json {
  const name = names.find((one) => config.has(one));
  return name === undefined ? null : (config.get(name) ?? null);
}

/** What Python takes for false. */
const isNothing = (value: Json | undefined): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === '' ||
  (Array.isArray(value) && value.length === 0);
