import type { FilePart, OpenedFiles } from '../containers/container.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import type { ByteSource } from '../io/byte-io.js';
import { LAYOUTS, LAYOUT_KEYS } from './table.js';
import type { Tensor } from './tensor.js';

/**
 * The tensors of a model, file by file, in the order in which a file lists them. Throws `invalid_file` or `missing_tensor`
 * where a layout does, and for a name that two files have.
 */
export function tensorsOf({ parts, container }: Pick<OpenedFiles, 'parts' | 'container'>): readonly Tensor[] {
  const found = parts.map((part) => tensorsOfPart(part, container));
  // Names of one file's entries differ: only other layouts, and other files, can give tensors the same name.
  if (found.length > 1 || found.some(({ isMixed }) => isMixed)) checkNames(found);
  return found.flatMap(({ tensors }) => tensors);
}

/** What layouts have found in a file. */
interface Found {
  readonly source: ByteSource;
  readonly tensors: readonly Tensor[];
  /** Whether several layouts have. */
  readonly isMixed: boolean;
}

/** Each layout takes what it knows; they are put together in the order in which the first planes are listed. */
function tensorsOfPart(part: FilePart, container: string): Found {
  const { source } = part;
  const found: (readonly Tensor[])[] = [];
  let { entries } = part;
  for (const layout of LAYOUTS) {
    const { tensors, rest } = layout.read(entries === part.entries ? part : { ...part, entries }, container);
    if (tensors.length > 0) found.push(tensors);
    entries = rest;
  }
  const [first = [], ...others] = found;
  if (others.length === 0) return { source, tensors: first, isMixed: false };
  return { source, tensors: inOrder(found.flat(), part), isMixed: true };
}

function checkNames(found: readonly Found[]): void {
  const places = new Map<string, ByteSource>();
  for (const { source, tensors } of found) {
    for (const { name } of tensors) {
      const other = places.get(name);
      if (other !== undefined) {
        const fault = other === source ? 'is there twice, in different layouts' : 'is in another shard too';
        throw invalidFile(source, `tensor ${quoted(name)} ${fault}`, { layer: name });
      }
      places.set(name, source);
    }
  }
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
  const ofLayouts = new Set(LAYOUT_KEYS.filter((key) => parts.some((part) => part.texts.has(key))));
  return new Map([...texts].filter(([key]) => !ofLayouts.has(key)));
}
