import { FILE_TYPE_IDS as ALL_IDS } from '../containers/gguf/ggml-types.js';
import { storageLabel, type Tensor } from '../layouts/tensor.js';
import type { Model } from '../models/model.js';
import type { WrittenType } from '../rules/copied.js';
import { FILE_TYPE_IDS } from '../rules/file-types.js';
import { COPY } from '../types.js';
import { compareTensors } from '../rules/language/tensors.js';

/** Marks a number that nobody has said, but that the tensors tell. */
const GUESSED = 1024;

/** `general.file_type` of a file: of one whose tensors are copied what the input says, else, as llama.cpp does, by most of them. */
export function fileTypeId(type: WrittenType, model: Model): number {
  if (type !== COPY) return FILE_TYPE_IDS[type];
  const said = model.fact('general.file_type');
  return typeof said === 'number' ? said : GUESSED | idOf(mostFrequent(model.tensors));
}

/** The number of a file most of whose tensors have the type. The name of a type is also that of files that mostly have it, or that without its mixture; F32 stands for those without. */
export function idOf(type: string): number {
  const ids: Readonly<Record<string, number>> = ALL_IDS;
  return ids[type] ?? ids[`${type}_M`] ?? ALL_IDS.F32;
}

/** Of several the one that llama.cpp, in its order, sees so often first. */
function mostFrequent(tensors: readonly Tensor[]): string {
  const counts = new Map<string, number>();
  let [most, type] = [0, 'F32'];
  for (const tensor of [...tensors].sort(compareTensors)) {
    const label = storageLabel(tensor);
    const count = (counts.get(label) ?? 0) + 1;
    counts.set(label, count);
    if (count > most) [most, type] = [count, label];
  }
  return type;
}
