import { shardNames } from '../shard-names.js';
import type { ByteSource } from '../../io/byte-io.js';
import type {
  Container,
  Entry,
  EntryType,
  FactValue,
  FileLayout,
  OpenedFiles,
  OutputContents,
  PlannedEntry,
} from '../container.js';
import { elementCount, isDType } from '../dtypes.js';
import { keyValuesOf, layoutPairs, layoutTexts, type CarriedKeyValues } from './contents.js';
import { GGML_TYPES, ggmlTypeNamed } from './ggml-types.js';
import { MAX_RANK, looksLikeGguf, type GgufTensor } from './header.js';
import { isScalarType, type GgufKeyValue, type GgufValue } from './key-values.js';
import { openGgufShards } from './shards.js';
import { layoutGguf, type GgufTensorPlan } from './writer.js';

/** What ComfyUI-GGUF calls the shape that a tensor had before its rows were joined: an array of i32 in torch order. */
const ORIGINAL_SHAPE_PREFIX = 'comfy.gguf.orig_shape.';
/** More elements of an array say nothing more to a reader. */
const SHOWN_ELEMENTS = 8;

/** GGUF, one file or shards (docs/formats.md). Its key-value pairs are carried into other GGUFs. */
export const gguf = {
  name: 'gguf',
  title: 'a GGUF',
  extension: '.gguf',
  hasFinalNames: true,
  takesFileTypes: true,
  recognizes: looksLikeGguf,
  open,
  holds,
  partNames: (file: string, count: number) => shardNames(file, count, '.gguf'),
  layOut,
} as const satisfies Container;

async function open(source: ByteSource): Promise<OpenedFiles> {
  const { sources, files, keyValues } = await openGgufShards(source);
  const pairs = new Map(keyValues.map((pair) => [pair.key, pair]));
  const texts = new Map(keyValues.map((pair) => [pair.key, shownValue(pair)]));
  const shapes = originalShapePairs(keyValues);
  const carried: CarriedKeyValues = { container: 'gguf', keyValues };
  return {
    container: 'gguf',
    name: source.name,
    sources,
    parts: files.map((file, index) => ({
      source: sources[index] ?? source,
      entries: file.tensors.map((tensor) => entryOf(tensor, shapes)),
      texts: layoutTexts(file.keyValues),
    })),
    texts,
    // The text of an array is only for people.
    portableTexts: new Map([...texts].filter(([key]) => pairs.get(key)?.array === null)),
    carried,
    fact: (key) => plainValue(pairs.get(key)?.value),
    close: async () => {
      await Promise.all(sources.map((file) => file.close()));
    },
  };
}

/** What entries of the types that are known say of their type: the name says everything. */
const ENTRY_TYPES: ReadonlyMap<number, EntryType> = new Map(GGML_TYPES.map(({ id, name }) => [id, { name }]));

function entryOf({ name, type, shape, elements, range }: GgufTensor, shapes: ReadonlyMap<string, GgufKeyValue>): Entry {
  const entryType = ENTRY_TYPES.get(type.id) ?? { name: type.name, id: type.id };
  const pair = shapes.get(name);
  const original = pair === undefined ? null : originalShape(pair, elements);
  return {
    name,
    type: entryType,
    shape,
    elements,
    data: [range],
    ...(original !== null && { originalShape: original }),
  };
}

/** By the tensor's name. */
const originalShapePairs = (keyValues: readonly GgufKeyValue[]): ReadonlyMap<string, GgufKeyValue> =>
  new Map(
    keyValues
      .filter(({ key }) => key.startsWith(ORIGINAL_SHAPE_PREFIX))
      .map((pair) => [pair.key.slice(ORIGINAL_SHAPE_PREFIX.length), pair]),
  );

/** What a shape of another number of elements would say is nobody's to guess: it is passed over. */
function originalShape(pair: GgufKeyValue, elements: number): readonly number[] | null {
  const { array } = pair;
  // Its length first: a hostile array may have millions of elements, or arrays of them.
  if (array === null || !isScalarType(array.type) || array.length > MAX_RANK) return null;
  const sizes = (pair.value as readonly GgufValue[]).map(Number);
  return elementCount(sizes) === elements ? sizes : null;
}

/** The value as people read it; of a long array, how long it is. */
function shownValue({ array, value }: GgufKeyValue): string {
  // An array in an array may be of any length.
  if (array !== null && (array.length > SHOWN_ELEMENTS || array.type === 'array'))
    return `${array.length} elements of type ${array.type}`;
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
}

/** As rules look at it: 64-bit integers as numbers, arrays of numbers, no truth values. */
export function plainValue(value: GgufValue | undefined): FactValue | undefined {
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return Number(value);
  return Array.isArray(value) ? value.map(Number) : undefined;
}

/** Of what another container copies, types that mean the same everywhere; of its own, those that nobody knows too. */
function holds({ name, id }: EntryType, from: string | undefined): boolean {
  if (id !== undefined) return from === 'gguf';
  return ggmlTypeNamed(name) !== undefined && (from === undefined || from === 'gguf' || isDType(name));
}

function layOut(contents: OutputContents): FileLayout {
  const { groups, file, limits, splitBytes, fileEnds } = contents;
  const tensors = groups.flatMap(({ entries }) => entries.map((entry, index) => planOf(entry, index > 0)));
  const groupOf = groups.flatMap(({ entries }, group) => entries.map(() => group));
  const pairsAbout = (begin: number, end: number): readonly GgufKeyValue[] =>
    layoutPairs(contents.layoutTexts([...new Set(groupOf.slice(begin, end))]));
  const { files, places } = layoutGguf({
    ...{ keyValues: keyValuesOf(contents), tensors, pairsAbout, file, limits },
    ...(splitBytes !== undefined && { splitBytes }),
    ...(fileEnds !== undefined && { ends: fileEnds.map((end) => groupOf.filter((group) => group < end).length) }),
  });
  let next = 0;
  return {
    files,
    places: groups.map(({ entries }) => {
      const ofGroup = places.slice(next, (next += entries.length));
      return ofGroup.map(({ file: index, offset }) => ({ file: index, position: offset }));
    }),
  };
}

function planOf({ name, type, shape, bytes }: PlannedEntry, isJoined: boolean): GgufTensorPlan {
  const { id } = type;
  return { name, shape, isJoined, bytes, type: id === undefined ? type.name : { name: type.name, id, bytes } };
}
