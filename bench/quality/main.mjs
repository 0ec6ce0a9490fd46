/**
 * `npm run bench:quality -- --model FOLDER`: what each type of weights, and each effort, costs a real model; see README.md
 * beside this file.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ArrowQuant, BLOCK_TYPES, EFFORTS } from 'arrowquant';
import { openLlamaModels } from '../../tests/peers/llama-model.mjs';
import { inProject } from '../../tools/lib/paths.mjs';
import { ensureNpmPackages } from '../../tools/setup/npm.mjs';
import { inTemporaryFolder } from '../lib/temporary.mjs';
import { measureOf } from './measures.mjs';
import { openModel } from './model.mjs';
import { drawPlots } from './plots.mjs';
import { sentencesFrom } from './sentences.mjs';

const { values } = parseArgs({
  options: {
    /** A model in the layout of transformers, or a GGUF, whose weights are not quantized. */
    model: { type: 'string' },
    types: { type: 'string' },
    efforts: { type: 'string' },
    sentences: { type: 'string', default: '200' },
    /** Where the table (JSON) and the plots (SVG) go. */
    out: { type: 'string' },
  },
});

function exitWith(message) {
  console.error(message);
  process.exit(2);
}

/** What is asked for, in our order; all of it where nothing is. */
function chosen(what, known, given) {
  const wanted = given?.split(',') ?? known;
  const odd = wanted.filter((name) => !known.includes(name));
  if (odd.length > 0) exitWith(`No such ${what}: ${odd.join(', ')}. There are ${known.join(', ')}.`);
  return known.filter((name) => wanted.includes(name));
}

if (values.model === undefined) exitWith('Say which model: --model FOLDER or --model FILE.gguf');
const llama = openLlamaModels();
if (llama === null) exitWith("llama.cpp's library is there on Linux with x86-64 only.");
// What draws the plots: nobody wants to hear of it after an hour.
await ensureNpmPackages((text) => console.log(`[set-up] ${text}`), 'web-demo');
const types = chosen('type', BLOCK_TYPES, values.types);
const efforts = chosen('effort', EFFORTS, values.efforts);
const folder = path.resolve(values.out ?? inProject('build/quality'));

const cell = (text) => String(text).padStart(12);
const shown = (value) => cell(value === null ? '-' : value.toPrecision(4));

const quantizer = await ArrowQuant.create();
await inTemporaryFolder(async (temporary) => {
  const model = await openModel(quantizer, values.model, temporary);
  const sentences = sentencesFrom(inProject('docs'), Number(values.sentences));
  const measure = measureOf(llama, model, sentences);
  console.log(`${model.name}: ${model.matrices.length} matrices, ${model.weights} weights, ${measure.title}`);
  console.log(['type', 'effort', ...measure.columns, 'squared error'].map(cell).join(''));
  const rows = [];
  for (const type of types) {
    let squaredError = null;
    for (const effort of efforts) {
      const made = await model.withWeights(type, effort);
      // More effort is the same search for some types.
      if (made === null || made.squaredError === squaredError) continue;
      squaredError = made.squaredError;
      const row = { type, effort, bitsPerWeight: made.bitsPerWeight, squaredError: made.squaredError };
      rows.push({ ...row, ...measure.of(made.file) });
      console.log(
        [
          cell(type),
          cell(effort),
          ...measure.columns.map((name) => shown(rows.at(-1)[name])),
          shown(row.squaredError),
        ].join(''),
      );
    }
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'quality.json'), `${JSON.stringify({ model: model.name, rows }, null, 2)}\n`);
  const plots = await drawPlots(folder, { model: model.name, rows, columns: measure.columns });
  console.log([path.join(folder, 'quality.json'), ...plots].join('\n'));
});
await quantizer.dispose();
