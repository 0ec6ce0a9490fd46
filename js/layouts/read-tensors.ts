import type { FilePart, OpenedFiles } from '../containers/container.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import { LAYOUTS } from './table.js';
import type { Tensor } from './tensor.js';

/**
 * The tensors of a model, file by file, in the order in which a file lists them. Throws `invalid_file` or `missing_tensor`
 * where a layout does, and for a name that two files have.
 */
export function tensorsOf({ parts, container }: Pick<OpenedFiles, 'parts' | 'container'>): readonly Tensor[] {
  const tensors: Tensor[] = [];
  const places = new Map<string, FilePart>();
  for (const part of parts) {
    for (const tensor of tensorsOfPart(part, container)) {
      const { name } = tensor;
      const other = places.get(name);
      if (other !== undefined) {
        const fault = other === part ? 'is there twice, in different layouts' : 'is in another shard too';
        throw invalidFile(part.source, `tensor ${quoted(name)} ${fault}`, { layer: name });
      }
      places.set(name, part);
      tensors.push(tensor);
    }
  }
  return tensors;
}

/** Each layout takes what it knows; they are put together in the order in which the first planes are listed. */
function tensorsOfPart(part: FilePart, container: string): readonly Tensor[] {
  const found: (readonly Tensor[])[] = [];
  let { entries } = part;
  for (const layout of LAYOUTS) {
    const { tensors, rest } = layout.read(entries === part.entries ? part : { ...part, entries }, container);
    if (tensors.length > 0) found.push(tensors);
    entries = rest;
  }
  const [first = [], ...others] = found;
  return others.length === 0 ? first : inOrder(found.flat(), part);
}

function inOrder(tensors: readonly Tensor[], { entries }: FilePart): readonly Tensor[] {
  const order = new Map(entries.map(({ data }, index) => [data[0], index]));
  const indexOf = ({ planes }: Tensor): number => order.get(planes[0]?.[0]) ?? entries.length;
  return [...tensors].sort((a, b) => indexOf(a) - indexOf(b));
}

/** Those of a model's texts that no layout has put there. */
export function modelTexts(
  texts: ReadonlyMap<string, string>,
  parts: readonly Pick<FilePart, 'texts'>[],
): ReadonlyMap<string, string> {
  const keys = LAYOUTS.flatMap((layout): readonly string[] => layout.keys);
  const ofLayouts = new Set(keys.filter((key) => parts.some((part) => part.texts.has(key))));
  return new Map([...texts].filter(([key]) => !ofLayouts.has(key)));
}
