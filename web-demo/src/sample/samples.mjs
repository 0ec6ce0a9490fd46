/** Models to try things with: real structure and names, made up weights, the same in every browser and in Node. */

import { diffusionTensors } from './diffusion.mjs';
import { languageFiles } from './language.mjs';
import { safetensors } from './safetensors.mjs';

/**
 * @typedef {{readonly name: string, readonly pieces: Iterable<Uint8Array<ArrayBuffer>>}} SampleFile a file, which is made piece by
 *   piece while it is read, once
 * @typedef {'language' | 'diffusion'} SampleKind
 */

/** The folder that the files of the language model belong into: its name is the model's. */
export const LANGUAGE_FOLDER = 'Little-Storyteller-13M';

/**
 * The files of a sample: a language model as transformers has it, whose text can be read, or a diffusion model in one file.
 *
 * @param {SampleKind} kind
 * @returns {readonly SampleFile[]}
 */
export const sampleFiles = (kind) =>
  kind === 'language'
    ? languageFiles()
    : [{ name: 'diffusion-sample.safetensors', pieces: safetensors(diffusionTensors()) }];
