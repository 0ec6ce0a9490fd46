/** Folders with models in them: of which file the model is read, and which files speak against writing one there. */

import { usualModel } from '../endpoints.js';
import { listed, modelsIn } from './hub/choose.js';
import { unreadable, unwritable } from './failures.js';

/** The file, of those in a folder, that the model in it is read from. Throws `unreadable_input` where none, or several, may be. */
export function modelInFolder(files: readonly string[], folder: string): string {
  const usual = usualModel(files);
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
