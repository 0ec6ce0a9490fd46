/** Folders with models in them: of which file the model is read, and which files speak against writing one there. */

import { listed, modelsIn } from './hub/choose.js';
import { unreadable, unwritable } from './failures.js';

/** What programs call the weights of a model; transformers' come first, in the order in which it looks for them. */
const USUAL_NAMES: readonly string[] = [
  ...['model.safetensors', 'model.safetensors.index.json'],
  ...['pytorch_model.bin', 'pytorch_model.bin.index.json'],
  // What MLC calls the list of its weights.
  ...['tensor-cache.json', 'ndarray-cache.json'],
];

/** The file, of those in a folder, that the model in it is read from. Throws `unreadable_input` where none, or several, may be. */
export function modelInFolder(files: readonly string[], folder: string): string {
  const usual = USUAL_NAMES.find((name) => files.includes(name));
  if (usual !== undefined) return usual;
  const [first, ...others] = modelsIn(files, '');
  if (first === undefined) {
    throw unreadable(folder, 'the folder has no safetensors, GGUF or PyTorch file in it; give the path of one');
  }
  if (others.length === 0) return first;
  throw unreadable(
    folder,
    `the folder has ${others.length + 1} models in it, give the path of one: ${listed([first, ...others])}`,
  );
}

/** Throws `unwritable_output` where a folder has files of models in it other than the ones that are going to be written. */
export function checkNoOtherModel(files: readonly string[], written: readonly string[], folder: string): void {
  const others = files.filter((name) => !written.includes(name) && IS_MODEL.test(name));
  if (others.length === 0) return;
  throw unwritable(folder, `there are files of another model in it, give a new folder: ${listed(others.sort())}`);
}

/** Weights and indices of any program's, also of several that the same model is in. */
const IS_MODEL =
  /\.(safetensors|gguf|bin|pth?|ckpt|onnx|onnx_data(_\d+)?|npz|h5|msgpack)$|\.index(\.[^./]+)?\.json$|^(tensor|ndarray)-cache(-b16)?\.json$/iu;
