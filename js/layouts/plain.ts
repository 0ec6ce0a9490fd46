import { codecLabel, codecNamed, findTraits, isFloat, planeBytes, traitsOf, type Codec } from '../codecs/codec.js';
import type { Entry, PlannedEntry } from '../containers/container.js';
import type { Layout } from './layout.js';
import type { PlannedTensor, Tensor } from './tensor.js';

const NO_TEXTS: ReadonlyMap<string, string> = new Map();

/**
 * One entry for each tensor, under the tensor's name, with its shape; its type is the name of the codec. What has a type
 * that is no codec, or that the file's container does not know, can be copied.
 */
export const plain = {
  name: 'plain',
  keys: [],
  read: ({ entries }, container) => ({ tensors: entries.map((entry) => tensorOf(entry, container)), rest: [] }),
  admits,
  entriesOf: (tensor) => [entryOf(tensor)],
  textsOf: () => NO_TEXTS,
} as const satisfies Layout;

/** Whether one entry, whose type is the codec's name, says all about weights in it. */
const isPlain = (name: string): boolean => {
  const traits = findTraits(name);
  return traits?.planes.length === 1 && !traits.foreign && traits.bits.length === 0 && traits.groupSizes.length === 0;
};

/** What a type that is a codec means; asked for every tensor, hence kept. */
const MEANINGS = new Map<string, { readonly codec: Codec; readonly dtype: string } | null>();

function meaningOf(name: string): { readonly codec: Codec; readonly dtype: string } | null {
  let meaning = MEANINGS.get(name);
  if (meaning === undefined) {
    if (!isPlain(name)) return null;
    const codec = codecNamed(name);
    meaning = { codec, dtype: isFloat(codec) ? name : 'F32' };
    MEANINGS.set(name, meaning);
  }
  return meaning;
}

function tensorOf(entry: Entry, container: string): Tensor {
  const { name, type, shape, originalShape, elements, data } = entry;
  const meaning = type.id === undefined && type.unknown === undefined ? meaningOf(type.name) : null;
  const planes = [data];
  if (meaning !== null && holds(meaning.codec, entry)) {
    const { codec, dtype } = meaning;
    return originalShape === undefined
      ? { name, shape, elements, dtype, planes, codec }
      : { name, shape, originalShape, elements, dtype, planes, codec };
  }
  return {
    name,
    shape,
    ...(originalShape && { originalShape }),
    elements,
    dtype: type.name,
    planes,
    codec: null,
    type,
    container,
  };
}

/** Containers that know a type have checked its bytes, and those that do not must not be believed. */
function holds(codec: Codec, { elements, data }: Entry): boolean {
  let bytes = 0;
  for (const range of data) bytes += range.bytes;
  return bytes === planeBytes(codec, 0, elements);
}

function admits(codec: Codec): string | null {
  if (traitsOf(codec).foreign) return `${codecLabel(codec)} is written only in the format of its program`;
  return isPlain(codec.name)
    ? null
    : `the layout "plain" has one array for each tensor, and ${codecLabel(codec)} takes more`;
}

/** The entry of a tensor that is copied, or whose codec `plain` admits. */
function entryOf({ name, shape, elements, target }: PlannedTensor): PlannedEntry {
  if (target.kind === 'copied') {
    const { type, container: from, bytes } = target;
    return { name, type, from, shape, bytes };
  }
  const { codec } = target;
  return { name, type: { name: codec.name }, shape, bytes: planeBytes(codec, 0, elements) };
}
