import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readModel } from './safetensors.mjs';

const inGolden = (name) => fileURLToPath(new URL(`../../../golden/${name}`, import.meta.url));

/** The folder of a small Llama as transformers saves them. */
export const kTinyLlama = inGolden('tiny-llama');

/** What mlx-lm made of it, by name. */
export const kOfMlxLm = JSON.parse(readFileSync(inGolden('mlx-lm/outputs.json'), 'utf8'));

/** Models of other types, and what mlx-lm made of them. */
export const kModelsOfMlxLm = JSON.parse(readFileSync(inGolden('mlx-lm/models.json'), 'utf8'));

export const kWeights = readFileSync(path.join(kTinyLlama, 'model.safetensors'));

/** Copies it to where it can be changed. */
export function copyTinyLlama(folder) {
  cpSync(kTinyLlama, folder, { recursive: true, filter: (name) => !name.endsWith('.md') });
  return folder;
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Type, shape and SHA-256 of the tensors in a file, by name. */
export function digests(file) {
  const { tensors } = readModel(readFileSync(file));
  return Object.fromEntries(
    [...tensors.values()].map(({ name, dtype, shape, bytes }) => [name, [dtype, shape, sha256(bytes)]]),
  );
}
