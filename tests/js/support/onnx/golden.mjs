import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readModel } from '../models/safetensors.mjs';
import { differences, graphText } from './graph-text.mjs';
import { decodeModel } from './schema.mjs';

const kFolder = path.join(import.meta.dirname, '../../../golden/onnx');

/** The path of a golden input: `bert`, `cnn`, `decoder`, `decoder_op21`; `bert_extdata` see writeExternalModel. */
export const goldenModel = (model) => path.join(kFolder, model, 'model.onnx');

/**
 * What the real programs made of a model, by the names of their folder and file: `tjs-159b22e8/model_q4.onnx` → `bytes`,
 * `sha256`, `text` (of graphText) and `compare`: `onnx-bytes` where the whole file can be equal, `onnx-graph`, `onnx-data`.
 *
 * @param {string} model a folder of tests/golden/onnx
 * @returns {Record<string, {bytes: number, sha256: string, text?: string, compare: string}>}
 */
export const goldenOutputs = (model) =>
  JSON.parse(gunzipSync(readFileSync(path.join(kFolder, model, 'outputs.json.gz'))).toString());

/**
 * What ONNX Runtime read and gave for a model and its outputs: tensors by name (`input.<name>`, `output.<file>.<name>`).
 *
 * @param {string} model a folder of tests/golden/onnx
 */
export const goldenRuns = (model) => readModel(readFileSync(path.join(kFolder, model, 'io.safetensors'))).tensors;

/**
 * How a file differs from a golden one, as it is to be compared: no lines when it does not. Where whole files are compared,
 * the lines of the graph come first, because they say more than `other bytes`.
 *
 * @param {string} file path of the `.onnx` file to judge
 * @param {{sha256: string, text?: string, compare: string}} golden one of goldenOutputs
 * @returns {string[]}
 */
export function differencesFromGolden(file, golden) {
  const bytes = readFileSync(file);
  const lines = golden.text === undefined ? [] : differences(golden.text, graphText(bytes, path.dirname(file)));
  const hash = createHash('sha256').update(bytes).digest('hex');
  return lines.length === 0 && golden.compare !== 'onnx-graph' && hash !== golden.sha256 ? ['other bytes'] : lines;
}

/**
 * Writes `model.onnx` and `model.onnx_data` of `bert_extdata` to a folder. Its tensors are those of `bert`, so the data are
 * put together from there.
 *
 * @param {string} folder
 * @returns {string} the path of model.onnx
 */
export function writeExternalModel(folder) {
  const file = readFileSync(goldenModel('bert_extdata'));
  const sources = new Map(
    decodeModel(readFileSync(goldenModel('bert'))).graph.initializer.map((it) => [it.name, it.rawData]),
  );
  const data = decodeModel(file)
    .graph.initializer.filter(({ dataLocation }) => dataLocation === 1)
    .map(({ name }) => sources.get(name));
  writeFileSync(path.join(folder, 'model.onnx_data'), Buffer.concat(data));
  writeFileSync(path.join(folder, 'model.onnx'), file);
  return path.join(folder, 'model.onnx');
}
