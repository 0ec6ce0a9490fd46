import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelFile, readModel } from './safetensors.mjs';

const inGolden = (name) => fileURLToPath(new URL(`../../../golden/${name}`, import.meta.url));

export const golden = inGolden;
export const goldenJson = (name) => JSON.parse(readFileSync(inGolden(name), 'utf8'));
export const goldenModel = (name) => readModel(readFileSync(inGolden(name)));

/** Makes the folder of a model: its tensors, and what config.json says. */
export function writeModelFolder(folder, tensors, config) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'model.safetensors'), modelFile(tensors));
  if (config !== null) writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

/** A folder with a golden file as its weights. */
export function copyGolden(folder, name, config) {
  mkdirSync(folder, { recursive: true });
  cpSync(inGolden(name), path.join(folder, 'model.safetensors'));
  if (config !== null) writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

/** Names, types, shapes and bytes of a file's tensors, as Jest compares them quickly. */
export function tensorsIn(file) {
  const { tensors } = Buffer.isBuffer(file) ? readModel(file) : readModel(readFileSync(file));
  return Object.fromEntries(
    [...tensors.values()]
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, dtype, shape, bytes }) => [name, [dtype, shape, bytes.toString('base64')]]),
  );
}
