import { decodeJson } from '../../containers/json.js';
import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { isObject, parseJson, type Json, type JsonObject } from '../../formats/folder/json.js';
import type { Checkpoint } from '../checkpoint.js';
import { isFloat, isNumber } from '../config/kind.js';
import type { CardNumber } from './card/card-values.js';
import { hasByteOrderMark } from './card/front-matter.js';
import type { PairWriter, Wrong } from './pair-writer.js';

const FILE = 'generation_config.json';

const KEYS: readonly (readonly [key: string, name: string, type: 'number' | 'text' | 'whole'])[] = [
  ['sequence', 'sequence', 'text'],
  ['top_k', 'top_k', 'whole'],
  ['top_p', 'top_p', 'number'],
  ['min_p', 'min_p', 'number'],
  ['xtc_probability', 'xtc_probability', 'number'],
  ['xtc_threshold', 'xtc_threshold', 'number'],
  ['temp', 'temperature', 'number'],
  ['penalty_last_n', 'penalty_last_n', 'whole'],
  ['penalty_repeat', 'penalty_repeat', 'number'],
  ['mirostat', 'mirostat', 'whole'],
  ['mirostat_tau', 'mirostat_tau', 'number'],
  ['mirostat_eta', 'mirostat_eta', 'number'],
];

/** How the model's authors would have tokens chosen: `general.sampling.*`. Rejects with `invalid_file` for wrong types. */
export async function setSampling(writer: PairWriter, { files, warn }: Checkpoint): Promise<void> {
  const source = await files.source(FILE);
  const bytes = await files.bytes(FILE);
  if (source === null || bytes === null) return;
  const wrong: Wrong = (detail) => invalidFile(source, detail);
  const config = objectIn(hasByteOrderMark(bytes) ? '' : decodeJson(bytes, source, FILE), wrong);
  if (config === null) {
    const message = `${FILE} is no JSON: what it says of sampling is left out.`;
    warn({ code: 'checkpoint_doubt', message });
    return;
  }
  for (const [key, name, type] of KEYS) {
    const found = nameIn(config, name);
    const value = config.get(found) ?? null;
    if (value === null) continue;
    if (type !== 'text') writer[type](`general.sampling.${key}`, numberOf(value, found, wrong), found, wrong);
    else writer.text(`general.sampling.${key}`, textOf(value, found, wrong), found, wrong);
  }
}

/** Null where it is no JSON. */
function objectIn(text: string, wrong: Wrong): JsonObject | null {
  let value;
  try {
    value = parseJson(text);
  } catch {
    return null;
  }
  if (!isObject(value)) throw wrong('it is JSON, but no object');
  return value;
}

/** An old name counts where the new one is not there. */
const nameIn = (config: JsonObject, name: string): string =>
  name === 'penalty_repeat' && !config.has(name) ? 'repetition_penalty' : name;

function numberOf(value: Json, name: string, wrong: Wrong): CardNumber {
  if (typeof value === 'boolean') return { kind: 'int', value: Number(value) };
  if (!isNumber(value)) throw wrong(`${quoted(name)} must be a number`);
  return { kind: isFloat(value) ? 'float' : 'int', value: jsonValue(value.number) };
}

/** Python's whole numbers know no sign of zero. */
const jsonValue = (number: string): number => (number === '-0' ? 0 : Number(number));

function textOf(value: Json, name: string, wrong: Wrong): string {
  if (typeof value !== 'string') throw wrong(`${quoted(name)} must be text`);
  return value;
}
