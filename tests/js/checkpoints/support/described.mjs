import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bfloatTensor, modelFile } from '../../support/models/safetensors.mjs';
import { caseNamed } from './cases.mjs';

/** Names and shapes of a projection, as PyTorch has them, and of its biases. */
export const linear = (name, rows, columns, bias = true) => [
  [`${name}.weight`, [rows, columns]],
  ...(bias ? [[`${name}.bias`, [rows]]] : []),
];

export const norm = (name, width, bias = true) => [
  [`${name}.weight`, [width]],
  ...(bias ? [[`${name}.bias`, [width]]] : []),
];

export const layers = (count, prefix, tensors) =>
  Array.from({ length: count }, (_, layer) => tensors(`${prefix}${layer}.`, layer)).flat();

/** The files by which sentence-transformers says how vectors are pooled. */
export const pooledBy = (mode) => ({
  'modules.json': JSON.stringify([
    { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
    { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
  ]),
  '1_Pooling/config.json': JSON.stringify({ word_embedding_dimension: 32, [`pooling_mode_${mode}`]: true }),
});

/**
 * Writes a model of which a table has config, names and shapes: with seeded weights in BF16, the tokenizer of the case `like`,
 * but for its files `without` and with those of `renamed` under another name, and `files` besides.
 *
 * @returns {{input: string, options: object}} As a case has them.
 */
export function writeDescribed({ name, like, config, tensors, files = {}, without = [], renamed = {}, pre }, parent) {
  const folder = path.join(parent, name);
  const { input } = caseNamed(like);
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(input).filter(
    (one) => one.startsWith('tokenizer') || one.startsWith('sentencepiece'),
  )) {
    if (!without.includes(file)) cpSync(path.join(input, file), path.join(folder, renamed[file] ?? file));
  }
  for (const [file, text] of Object.entries({ 'config.json': JSON.stringify(config), ...files })) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  const weights = tensors.map(([tensor, shape], i) => bfloatTensor(tensor, shape, i + 1));
  writeFileSync(path.join(folder, 'model.safetensors'), modelFile(weights));
  return { input: folder, options: pre === undefined ? {} : { pre } };
}
