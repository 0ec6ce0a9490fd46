/** What config.json says of weights that lie in files of their own, for transformers.js. */

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { QuantizeError, asQuantizeError } from '../../errors.js';
import { isObject, jsonNumber, parseJson, printJson, type Json, type JsonObject } from '../../formats/folder/json.js';

const NAME = 'config.json';
const SECTION = 'transformers.js_config';
const KEY = 'use_external_data_format';

/**
 * Notes in the config.json of `folder` that each of `files` has one file of weights beside it. Where there is none it is that
 * of `original`; where there is none either, nothing is done. Throws `invalid_file` for one that is no JSON object.
 */
export function noteExternalData(folder: string, original: string, files: readonly string[]): void {
  const target = path.join(folder, NAME);
  const source = [target, path.join(original, NAME)].find((file) => existsSync(file));
  if (source === undefined || files.length === 0) return;
  const config = readObject(source);
  const section = config.get(SECTION);
  const known = isObject(section) ? section.get(KEY) : undefined;
  const changed = new Map<string, Json>(isObject(section) ? section : []);
  changed.set(KEY, withFiles(known, files));
  replaceFile(target, `${printJson(new Map(config).set(SECTION, changed), 2)}\n`);
}

/** True and numbers say it of all files already. */
function withFiles(known: Json | undefined, files: readonly string[]): Json {
  if (known !== undefined && known !== false && known !== null && !isObject(known)) return known;
  const all = new Map<string, Json>(isObject(known) ? known : []);
  for (const file of files) all.set(file, jsonNumber(1));
  return all;
}

function readObject(file: string): JsonObject {
  let value: Json;
  try {
    value = parseJson(readFileSync(file, 'utf8'));
  } catch (error) {
    throw asQuantizeError(error, 'invalid_file', { file });
  }
  if (isObject(value)) return value;
  throw new QuantizeError('invalid_file', { file, detail: 'it is no JSON object' });
}

/** The file is the old one or the new one at any time. */
function replaceFile(file: string, text: string): void {
  const partial = `${file}.partial`;
  try {
    writeFileSync(partial, text);
    renameSync(partial, file);
  } catch (error) {
    throw asQuantizeError(error, 'unwritable_output', { file });
  }
}
