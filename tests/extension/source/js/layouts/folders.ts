import {
  findTraits,
  isFloat,
  planeBytes,
  traitsOf,
  type Codec,
  type CodecTraits,
  type Plane,
} from '../codecs/codec.js';
import type { Entry, FilePart, PlannedEntry } from '../containers/container.js';
import { MAX_RANK, elementCount, isDType, isFloatType } from '../containers/dtypes.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import { parseJsonText } from '../containers/json.js';
import { QuantizeError } from '../errors.js';
import type { ByteSource } from '../io/byte-io.js';
import type { LaidOut, Layout } from './layout.js';
import { plain } from './plain.js';
import type { CodedTensor, PlannedTensor, StoredPlane } from './tensor.js';

/** The text that says what lies in folders: a JSON object, by the tensors' names. */
const KEY = 'folders';

/** Bytes of an element. */
const ELEMENT_BYTES: Readonly<Record<Plane['element'], number>> = {
  ...{ U8: 1, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 },
};

/**
 * Every plane of a quantized tensor is an entry of its own, `TENSOR/PLANE`, none of which has the tensor's name; those of
 * codecs that treat rows alike have rows, too. Plain floats lie as in `plain`.
 */
export const folders = {
  name: 'folders',
  keys: [KEY],
  read,
  admits: () => null,
  entriesOf: (tensor) => (isInFolder(tensor) ? entriesOf(tensor) : plain.entriesOf(tensor)),
  textsOf,
} as const satisfies Layout;

interface FolderTensor extends PlannedTensor {
  readonly target: { readonly kind: 'codec'; readonly codec: Codec };
}

const isInFolder = (tensor: PlannedTensor): tensor is FolderTensor =>
  tensor.target.kind === 'codec' && !isFloat(tensor.target.codec);

const entryName = (tensor: string, plane: Plane): string => `${tensor}/${plane.name}`;

function entriesOf({ name, shape, elements, target: { codec } }: FolderTensor): PlannedEntry[] {
  const row = shape.at(-1) ?? 1;
  return traitsOf(codec).planes.map((plane, index) => {
    const bytes = planeBytes(codec, index, elements);
    const rowBytes = planeBytes(codec, index, row);
    const elementBytes = ELEMENT_BYTES[plane.element];
    const hasRows = shape.length > 0 && rowBytes % elementBytes === 0 && rowBytes * (elements / row) === bytes;
    const planeShape = hasRows ? [...shape.slice(0, -1), rowBytes / elementBytes] : [bytes / elementBytes];
    return { name: entryName(name, plane), type: { name: plane.element }, shape: planeShape, bytes };
  });
}

function textsOf(tensors: readonly PlannedTensor[]): ReadonlyMap<string, string> {
  const members = tensors.filter(isInFolder).map(({ name, dtype, shape, target: { codec } }) => {
    const known = isDType(dtype) && isFloatType(dtype) ? dtype : 'F32';
    const { name: codecName, bits, groupSize, symmetric } = codec;
    return `${JSON.stringify(name)}:${JSON.stringify([codecName, bits, groupSize, symmetric, known, shape])}`;
  });
  return new Map(members.length === 0 ? [] : [[KEY, `{${members.join(',')}}`]]);
}

function read({ source, entries, texts }: FilePart): LaidOut {
  const text = texts.get(KEY);
  if (text === undefined) return { tensors: [], rest: entries };
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const taken = new Set<Entry>();
  const described = Object.entries(parseJsonText(text, source, `"${KEY}" in the metadata`, 1));
  const tensors = described.map(([name, description]): CodedTensor => {
    const tensor = tensorOf(name, description, source);
    const planes = traitsOf(tensor.codec).planes.map((plane, index): StoredPlane => {
      const entry = byName.get(entryName(name, plane));
      if (entry === undefined) {
        throw new QuantizeError('missing_tensor', { file: source.name, layer: entryName(name, plane) });
      }
      const bytes = entry.data.reduce((sum, range) => sum + range.bytes, 0);
      if (entry.type.name !== plane.element || bytes !== planeBytes(tensor.codec, index, tensor.elements)) {
        throw invalidFile(source, `tensor ${quoted(name)} has an impossible plane ${plane.name}`, { layer: name });
      }
      taken.add(entry);
      return entry.data;
    });
    return { ...tensor, planes };
  });
  return { tensors, rest: entries.filter((entry) => !taken.has(entry)) };
}

function tensorOf(name: string, description: unknown, source: ByteSource): Omit<CodedTensor, 'planes'> {
  const fail = (): QuantizeError =>
    invalidFile(source, `the metadata does not describe tensor ${quoted(name)} as it should`, { layer: name });
  if (!Array.isArray(description) || description.length !== 6) throw fail();
  const [codecName, bits, groupSize, symmetric, dtype, shape] = description as readonly unknown[];
  const traits = typeof codecName === 'string' ? findTraits(codecName) : undefined;
  if (traits === undefined || !isDType(dtype) || !isFloatType(dtype)) throw fail();
  const codec = { name: traits.name, bits, groupSize, symmetric };
  if (!isValid(codec, traits)) throw fail();
  if (!Array.isArray(shape) || shape.length > MAX_RANK) throw fail();
  const elements = elementCount(shape);
  if (Number.isNaN(elements) || Number(shape.at(-1) ?? 1) % traits.blockWeights !== 0) throw fail();
  return { name, shape: shape as number[], elements, dtype, codec };
}

type Unchecked = Readonly<Record<keyof Codec, unknown>>;

/** Whether the parameters are those that the codec can have. */
function isValid(codec: Unchecked, traits: CodecTraits): codec is Codec & Unchecked {
  const isAmong = (values: readonly number[], value: unknown): boolean =>
    values.length === 0 ? value === 0 : values.some((one) => one === value);
  return (
    isAmong(traits.bits, codec.bits) &&
    isAmong(traits.groupSizes, codec.groupSize) &&
    typeof codec.symmetric === 'boolean' &&
    (traits.symmetric || !codec.symmetric)
  );
}
