/** The samples of the web demo as files. */
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { LANGUAGE_FOLDER, sampleFiles } from '../../web-demo/src/sample/samples.mjs';

/** What people see first comes first. */
export const kSampleKinds = /** @type {const} */ (['language', 'diffusion']);

/** What a sample is called: the folder of a language model, the file of a diffusion model. */
export const sampleInput = (kind) => (kind === 'language' ? LANGUAGE_FOLDER : sampleFiles(kind)[0].name);

/**
 * Writes a sample into a folder, under `sampleInput`, which it has when it is complete. Gives its path.
 *
 * @param {string} folder
 * @param {'language' | 'diffusion'} kind
 */
export function writeSample(folder, kind) {
  const target = path.join(folder, sampleInput(kind));
  const temporary = `${target}.${process.pid}.partial`;
  const isFolder = kind === 'language';
  mkdirSync(isFolder ? temporary : folder, { recursive: true });
  try {
    for (const { name, pieces } of sampleFiles(kind)) {
      writePieces(isFolder ? path.join(temporary, name) : temporary, pieces);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  return target;
}

function writePieces(file, pieces) {
  const handle = openSync(file, 'w');
  try {
    for (const piece of pieces) writeSync(handle, piece);
  } finally {
    closeSync(handle);
  }
}
