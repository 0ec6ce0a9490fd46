/** What config.json says of weights that lie in files of their own, for transformers.js. */

import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isOnnxName } from '../../containers/registry.js';
import { QuantizeError, asQuantizeError } from '../../errors.js';
import {
  isObject,
  jsonNumber,
  parseJson,
  printJson,
  wholeNumber,
  type Json,
  type JsonObject,
} from '../../formats/folder/json.js';

const NAME = 'config.json';
const SECTION = 'transformers.js_config';
const KEY = 'use_external_data_format';

/** Folders of config.json. */
interface ConfigFolders {
  /** That of the model that the output is of. */
  readonly folder: string;
  /** The one that it is taken from where there is none; absent: none is made. */
  readonly original: string | undefined;
}

/**
 * Notes in config.json whether `output`, the path of an ONNX file, has a file of weights beside it. Where config.json says
 * that already, or there is none, nothing is done. Throws `invalid_file` for one that is no JSON object.
 */
export function noteExternalData(output: string, hasData: boolean, { folder, original }: ConfigFolders): void {
  const target = path.join(folder, NAME);
  const places = original === undefined ? [target] : [target, path.join(original, NAME)];
  const source = places.find((file) => existsSync(file));
  if (source === undefined) return;
  const config = readObject(source);
  const section = config.get(SECTION);
  const known = isObject(section) ? section.get(KEY) : undefined;
  const noted = withFile(known, output, hasData);
  if (noted === null) return;
  const changed = new Map<string, Json>(isObject(section) ? section : []);
  changed.set(KEY, noted);
  replaceFile(target, `${printJson(new Map(config).set(SECTION, changed), 2)}\n`);
}

/** What is said of all files with that of `output`; null where it is right as it is. */
function withFile(known: Json | undefined, output: string, hasData: boolean): Json | null {
  const file = path.basename(output);
  if (isObject(known)) {
    // A name without a type is that of all types that have no entry of their own.
    const isNamed = [...known.keys()].some((key) => key === file || (!isOnnxName(key) && file.startsWith(key)));
    return hasData || isNamed ? new Map(known).set(file, jsonNumber(Number(hasData))) : null;
  }
  const filesOfEach = known === true ? 1 : (wholeNumber(known) ?? 0);
  if (filesOfEach === Number(hasData)) return null;
  const others = filesOfEach > 0 ? dataFilesIn(path.dirname(output)) : new Map<string, number>();
  if (hasData) others.set(file, 1);
  return new Map([...others].map(([name, count]) => [name, jsonNumber(count)]));
}

/** ONNX files of a folder that have files of weights beside them, and how many. */
function dataFilesIn(folder: string): Map<string, number> {
  const names = new Set(readdirSync(folder));
  const counts = new Map<string, number>();
  for (const name of [...names].filter(isOnnxName).sort()) {
    let count = 0;
    while (names.has(`${name}_data${count === 0 ? '' : `_${count}`}`)) ++count;
    if (count > 0) counts.set(name, count);
  }
  return counts;
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
