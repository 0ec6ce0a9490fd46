import { isObject, type Json, type JsonObject } from '../../../formats/folder/json.js';
import type { CheckpointFiles } from '../../files.js';
import type { Hparams } from '../../config/hparams.js';

const FILE_NAME = 'hf_quant_config.json';
const SECTION = 'quantization_config';

/**
 * The config with what ModelOpt says in a file of its own about how weights are quantized, in `quantization_config`, as llama.cpp's
 * converter takes it: the method is the producer's name where config.json has none. Rejects with `invalid_file` for a file that
 * is no JSON.
 */
export async function withModelOpt(hparams: Hparams, files: CheckpointFiles): Promise<Hparams> {
  const own = objectIn(hparams.values, SECTION);
  if (isSomething(own.get('quant_algo')) && isSomething(own.get('quantized_layers'))) return hparams;
  const said = await files.object(FILE_NAME);
  if (said === null) return hparams;
  const producer = objectIn(said, 'producer').get('name');
  const method = own.get('quant_method') ?? (typeof producer === 'string' ? producer.toLowerCase() : '');
  const given = [...objectIn(said, 'quantization')].filter(([key]) => TAKEN.includes(key));
  return hparams.with(SECTION, new Map<string, Json>([...own, ['quant_method', method], ...given]));
}

const TAKEN: readonly string[] = ['quant_algo', 'quantized_layers'];

const isSomething = (value: Json | undefined): boolean => value !== undefined && value !== null && value !== '';

function objectIn(object: JsonObject, key: string): JsonObject {
  const value = object.get(key);
  return isObject(value) ? value : new Map();
}
