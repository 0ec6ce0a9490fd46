import { codecNamed } from '../codecs/codec.js';
import { QuantizeError } from '../errors.js';
import { NarrowedSource, type WideType } from '../io/narrowed-source.js';
import { storedBytes, type StoredPlane, type Tensor } from '../layouts/tensor.js';

const NARROW_TYPES: Readonly<Record<WideType, string>> = { I64: 'I32', F64: 'F32' };

const isWide = (name: string): name is WideType => Object.hasOwn(NARROW_TYPES, name);

/**
 * The same tensor with elements of 4 bytes where it has I64 or F64, which become I32 and F32 as they are read; others come
 * back as they are. Reading rejects with `unsupported_dtype` at an element that is too large for that.
 */
export function withNarrowElements(tensor: Tensor): Tensor {
  if (tensor.codec !== null || !isWide(tensor.type.name)) return tensor;
  const wide = tensor.type.name;
  const narrow = NARROW_TYPES[wide];
  const { name, shape, originalShape, elements } = tensor;
  // Of a damaged file: elements that lie across two ranges cannot be told apart.
  if (
    tensor.planes.some((plane) => plane.some(({ bytes }) => bytes % 8 !== 0)) ||
    storedBytes(tensor) !== elements * 8
  ) {
    return tensor;
  }
  const planes = tensor.planes.map((plane) => narrowedPlane(plane, wide, name));
  const same = { name, shape, originalShape, elements, dtype: narrow, planes };
  return wide === 'F64'
    ? { ...same, codec: codecNamed('F32') }
    : { ...same, codec: null, type: { name: narrow }, container: tensor.container };
}

function narrowedPlane(plane: StoredPlane, wide: WideType, layer: string): StoredPlane {
  let first = 0;
  return plane.map((range) => {
    const before = first;
    first += range.bytes / 8;
    const refuse = (index: number): QuantizeError =>
      new QuantizeError('unsupported_dtype', {
        ...{ file: range.source.name, layer, detail: wide, index: before + index },
        advice: `element ${before + index} is too large for ${NARROW_TYPES[wide]}, leave the tensor out with a rule that drops it`,
      });
    const source = new NarrowedSource(range, wide, refuse);
    return { source, begin: 0, bytes: source.size };
  });
}
