import { BLOCK_TYPES, type BlockType } from '../../block-types.js';
import type {
  Container,
  FileLayout,
  Model,
  OutputContents,
  PlannedTensor,
  StoredTensor,
  TensorStorage,
} from '../container.js';
import { elementCount, isDType, type DType } from '../dtypes.js';
import { isKnownType } from './ggml-types.js';
import { MAX_RANK, looksLikeGguf, type GgufTensor } from './header.js';
import { isScalarType, type GgufKeyValue, type GgufValue } from './key-values.js';
import { openGgufShards } from './shards.js';
import { layoutGguf, type GgufTensorPlan } from './writer.js';
import type { ByteSource } from '../../io/byte-io.js';
import { targetLabel } from '../../plan/report.js';

/** What ComfyUI-GGUF calls the shape that a tensor had before its rows were joined: an array of i32 in torch order. */
const ORIGINAL_SHAPE_PREFIX = 'comfy.gguf.orig_shape.';
/** More elements of an array say nothing more to a reader. */
const SHOWN_ELEMENTS = 8;

/** GGUF, one file or shards (docs/formats.md). */
export const gguf: Container = {
  name: 'gguf',
  extension: '.gguf',
  recognizes: looksLikeGguf,
  open,
  layout,
};

async function open(source: ByteSource): Promise<Model> {
  const { sources, keyValues, tensors } = await openGgufShards(source);
  const pairs = new Map(keyValues.map((pair) => [pair.key, pair]));
  return {
    container: 'gguf',
    name: source.name,
    sources,
    tensors: tensors.map((tensor) => storedTensor(tensor, pairs)),
    metadata: new Map(keyValues.map((pair) => [pair.key, shownValue(pair)])),
    keyValues,
    close: async () => {
      await Promise.all(sources.map((file) => file.close()));
    },
  };
}

function storedTensor(
  { name, type, shape, elements, range }: GgufTensor,
  pairs: ReadonlyMap<string, GgufKeyValue>,
): StoredTensor {
  const storage = storageOf(type, range);
  const dtype: DType = storage.kind === 'plain' && isDType(type.name) ? type.name : 'F32';
  const original = originalShape(name, elements, pairs);
  return { name, dtype, shape, elements, storage, ...(original !== null && { originalShape: original }) };
}

function storageOf(type: GgufTensor['type'], data: GgufTensor['range']): TensorStorage {
  const { name, id } = type;
  if (isBlockType(name)) return { kind: 'block', format: name, data };
  if (isDType(name)) return { kind: 'plain', data };
  return isKnownType(type) ? { kind: 'opaque', type: name, data } : { kind: 'opaque', type: name, ggmlId: id, data };
}

const isBlockType = (name: string): name is BlockType => (BLOCK_TYPES as readonly string[]).includes(name);

/** What a shape of another number of elements would say is nobody's to guess: it is passed over. */
function originalShape(
  name: string,
  elements: number,
  pairs: ReadonlyMap<string, GgufKeyValue>,
): readonly number[] | null {
  const pair = pairs.get(ORIGINAL_SHAPE_PREFIX + name);
  const array = pair?.array ?? null;
  // Its length first: a hostile array may have millions of elements, or arrays of them.
  if (pair === undefined || array === null || !isScalarType(array.type) || array.length > MAX_RANK) return null;
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

function layout({ tensors, keyValues, file, limits, splitBytes }: OutputContents): FileLayout {
  const { files, places } = layoutGguf({
    ...{
      keyValues,
      file,
      limits,
      tensors: tensors.map(({ name, shape, target }) => ({ name, shape, type: typeOf(target) })),
    },
    ...(splitBytes !== undefined && { splitBytes }),
  });
  return {
    files,
    places: places.map(({ file: index, offset }) => ({ file: index, data: offset, scales: 0, zeroPoints: 0 })),
  };
}

function typeOf(target: PlannedTensor['target']): GgufTensorPlan['type'] {
  if (target.kind === 'affine') throw new RangeError('a GGUF has no affine levels');
  if (target.kind === 'opaque' && target.ggmlId !== undefined) {
    return { name: target.type, id: target.ggmlId, bytes: target.bytes };
  }
  return targetLabel(target);
}
