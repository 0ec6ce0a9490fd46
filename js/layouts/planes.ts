import { codecLabel, planeBytes, traitsOf, type Codec, type ElementType, type Plane } from '../codecs/codec.js';
import type { Entry, FilePart, PlannedEntry } from '../containers/container.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import { QuantizeError } from '../errors.js';
import type { LaidOut, Layout } from './layout.js';
import { plain } from './plain.js';
import { PLANES_KEY, hasPlanes, readDescriptions, textAbout, type Description } from './planes-text.js';
import type { CodedTensor, PlannedTensor, StoredPlane } from './tensor.js';

/** Bytes of an element. */
const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = { U8: 1, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 };

/**
 * Ours (docs/formats.md): the first plane of a tensor under the tensor's own name, the others beside it under the names of
 * the planes, each a flat array; one text says what is needed to decode them. What is one array anyway lies as in `plain`.
 */
export const planes = {
  name: 'planes',
  keys: [PLANES_KEY],
  read,
  admits,
  entriesOf: (tensor) => (isLaidOut(tensor) ? entriesOf(tensor) : plain.entriesOf(tensor)),
  textsOf: (tensors) => {
    const text = textAbout(tensors.filter(isLaidOut));
    return text === undefined ? new Map() : new Map([[PLANES_KEY, text]]);
  },
} as const satisfies Layout;

function admits(codec: Codec): string | null {
  const traits = traitsOf(codec);
  if (!hasPlanes(traits)) return plain.admits(codec);
  if (!traits.encodes) return `${codecLabel(codec)} can be read, but not written`;
  return traits.foreign ? `${codecLabel(codec)} is written only in the format of its program` : null;
}

/** A tensor that becomes several arrays, or one that says too little by itself. */
interface LaidOutTensor extends PlannedTensor {
  readonly target: { readonly kind: 'codec'; readonly codec: Codec };
}

const isLaidOut = (tensor: PlannedTensor): tensor is LaidOutTensor =>
  tensor.target.kind === 'codec' && hasPlanes(traitsOf(tensor.target.codec));

/** `x.weight`, `x.weight.scales`. */
const entryName = (tensor: string, plane: Plane, index: number): string =>
  index === 0 ? tensor : `${tensor}.${plane.name}`;

function entriesOf({ name, elements, target: { codec } }: LaidOutTensor): PlannedEntry[] {
  return traitsOf(codec).planes.map((plane, index) => {
    const bytes = planeBytes(codec, index, elements);
    const shape = [bytes / ELEMENT_BYTES[plane.element]];
    return { name: entryName(name, plane, index), type: { name: plane.element }, shape, bytes };
  });
}

function read({ source, entries, texts }: FilePart): LaidOut {
  const text = texts.get(PLANES_KEY);
  if (text === undefined) return { tensors: [], rest: entries };
  const described = readDescriptions(text, source);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const others = namesOfOthers(described, byName, source);
  const tensors: CodedTensor[] = [];
  const rest: Entry[] = [];
  for (const entry of entries) {
    const description = described.get(entry.name);
    if (description !== undefined) tensors.push(assembled(entry.name, description, byName, source));
    else if (!others.has(entry.name)) rest.push(entry);
  }
  return { tensors, rest };
}

/** Names of the planes behind the first. None may be that of a tensor that is described itself. */
function namesOfOthers(
  described: ReadonlyMap<string, Description>,
  byName: ReadonlyMap<string, Entry>,
  source: FilePart['source'],
): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [tensor, { codec }] of described) {
    traitsOf(codec).planes.forEach((plane, index) => {
      if (index === 0) return;
      const name = entryName(tensor, plane, index);
      if (described.has(name) || names.has(name)) {
        throw invalidFile(source, `tensor ${quoted(name)} is also a part of another`, { layer: name });
      }
      names.add(name);
    });
    if (!byName.has(tensor)) throw new QuantizeError('missing_tensor', { file: source.name, layer: tensor });
  }
  return names;
}

function assembled(
  name: string,
  { codec, dtype, shape, elements }: Description,
  byName: ReadonlyMap<string, Entry>,
  source: FilePart['source'],
): CodedTensor {
  const planeOf = (plane: Plane, index: number): StoredPlane => {
    const part = entryName(name, plane, index);
    const entry = byName.get(part);
    if (entry === undefined) throw new QuantizeError('missing_tensor', { file: source.name, layer: part });
    const bytes = planeBytes(codec, index, elements);
    if (entry.type.name !== plane.element || entry.data.reduce((sum, range) => sum + range.bytes, 0) !== bytes) {
      const needed = `${bytes} bytes of ${plane.element}`;
      const detail = `tensor ${quoted(part)} does not hold ${needed}, as ${quoted(name)} needs`;
      throw invalidFile(source, detail, { layer: name });
    }
    return entry.data;
  };
  return { name, shape, elements, dtype, codec, planes: traitsOf(codec).planes.map(planeOf) };
}
