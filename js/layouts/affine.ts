import { QuantizeError } from '../errors.js';
import { groupCount, packedBytes, type PlannedTensor, type StoredTensor } from '../containers/container.js';
import { elementCount, isDType, isFloatType, type DType } from '../containers/dtypes.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import type { ByteRange, ByteSource } from '../io/byte-io.js';
import { isRecord, parseJsonObject } from '../containers/json.js';
import { MAX_RANK, type HeaderEntry, type SafetensorsHeader } from '../containers/safetensors/header.js';

/**
 * How quantized tensors lie in safetensors (docs/formats.md): the levels under the tensor's own name, the parameters
 * beside them, and one string of metadata with what is needed to decode them.
 */
export const AFFINE_KEY = 'arrowquant';
export const AFFINE_VERSION = 1;
export const SCALES_SUFFIX = '.scales';
export const ZERO_POINTS_SUFFIX = '.zero_points';

const BIT_WIDTHS: readonly unknown[] = [2, 4, 8];
const GROUP_SIZES: readonly unknown[] = [32, 64, 128, 256];
const WHOLE_TENSOR = 'tensor';

interface AffineEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
}

/** The metadata string for the quantized ones among `tensors`; undefined when there are none. */
export function affineMetadata(tensors: readonly PlannedTensor[]): string | undefined {
  const entries = tensors.flatMap(({ name, dtype, shape, target }) => {
    if (target.kind !== 'affine') return [];
    const { bits, groupSize, symmetric } = target;
    const entry = { dtype, shape, bits, group_size: groupSize === 0 ? WHOLE_TENSOR : groupSize, symmetric };
    return [`${JSON.stringify(name)}:${JSON.stringify(entry)}`];
  });
  if (entries.length === 0) return undefined;
  // Put together by hand: a tensor may be called `__proto__`.
  return `{"format":"affine","version":${AFFINE_VERSION},"tensors":{${entries.join(',')}}}`;
}

/** The tensors of a file: its quantized ones put together from their parts, the others as they are. */
export function assembleTensors(header: SafetensorsHeader, source: ByteSource): StoredTensor[] {
  const text = header.metadata.get(AFFINE_KEY);
  const affine = text === undefined ? new Map<string, AffineEntry>() : readMetadata(text, source);
  const byName = new Map(header.entries.map((entry) => [entry.name, entry]));
  const parts = new Set<string>();
  for (const name of affine.keys()) {
    for (const part of [name + SCALES_SUFFIX, name + ZERO_POINTS_SUFFIX]) {
      if (affine.has(part))
        throw invalidFile(source, `tensor ${quoted(part)} is also a part of another`, { layer: part });
      parts.add(part);
    }
    if (!byName.has(name)) throw new QuantizeError('missing_tensor', { file: source.name, layer: name });
  }
  return header.entries.flatMap((entry) => {
    const layout = affine.get(entry.name);
    if (layout !== undefined) return [assembleAffine(entry, layout, byName, source)];
    return parts.has(entry.name) ? [] : [plainTensor(entry, source)];
  });
}

function plainTensor({ name, dtype, shape, elements, begin, bytes }: HeaderEntry, source: ByteSource): StoredTensor {
  const data = { source, begin, bytes };
  return isDType(dtype)
    ? { name, dtype, shape, elements, storage: { kind: 'plain', data } }
    : { name, dtype: 'F32', shape, elements, storage: { kind: 'opaque', type: dtype, data } };
}

function assembleAffine(
  levels: HeaderEntry,
  layout: AffineEntry,
  byName: ReadonlyMap<string, HeaderEntry>,
  source: ByteSource,
): StoredTensor {
  const { name } = levels;
  const { dtype, shape, elements, bits, groupSize, symmetric } = layout;
  const range = (part: HeaderEntry | undefined, partName: string, type: DType, bytes: number): ByteRange => {
    if (part === undefined) throw new QuantizeError('missing_tensor', { file: source.name, layer: partName });
    if (part.dtype !== type || part.bytes !== bytes) {
      const detail = `tensor ${quoted(partName)} does not hold ${bytes} bytes of ${type}, as ${quoted(name)} needs`;
      throw invalidFile(source, detail, { layer: name });
    }
    return { source, begin: part.begin, bytes };
  };
  const part = (suffix: string, type: DType, bytes: number): ByteRange =>
    range(byName.get(name + suffix), name + suffix, type, bytes);
  const groups = groupCount(elements, groupSize);
  return {
    name,
    dtype,
    shape,
    elements,
    storage: {
      kind: 'affine',
      bits,
      groupSize,
      symmetric,
      packed: range(levels, name, 'U8', packedBytes(elements, bits)),
      scales: part(SCALES_SUFFIX, 'F32', groups * 4),
      zeroPoints: part(ZERO_POINTS_SUFFIX, 'U8', groups),
    },
  };
}

function readMetadata(text: string, source: ByteSource): Map<string, AffineEntry> {
  const what = `"${AFFINE_KEY}" in the metadata`;
  const { format, version, tensors } = parseJsonObject(new TextEncoder().encode(text), source, what, 2);
  if (format !== 'affine' || version !== AFFINE_VERSION) {
    throw invalidFile(source, `${what} announces a format that this version does not know`);
  }
  if (!isRecord(tensors)) throw invalidFile(source, `${what} lists no tensors`);
  return new Map(Object.entries(tensors).map(([name, value]) => [name, readEntry(name, value, source)]));
}

function readEntry(name: string, value: unknown, source: ByteSource): AffineEntry {
  const fail = (field: string): QuantizeError =>
    invalidFile(source, `the metadata gives tensor ${quoted(name)} no valid ${field}`, { layer: name });
  if (!isRecord(value)) throw fail('description');
  const { dtype, shape, bits, group_size: groupSize, symmetric } = value;
  if (!isDType(dtype) || !isFloatType(dtype)) throw fail('dtype');
  if (!Array.isArray(shape) || shape.length > MAX_RANK) throw fail('shape');
  const elements = elementCount(shape);
  if (Number.isNaN(elements)) throw fail('shape');
  if (typeof bits !== 'number' || !BIT_WIDTHS.includes(bits)) throw fail('bits');
  if (groupSize !== WHOLE_TENSOR && !GROUP_SIZES.includes(groupSize)) throw fail('group_size');
  if (typeof symmetric !== 'boolean') throw fail('symmetric');
  return {
    dtype,
    shape: shape as number[],
    elements,
    bits,
    groupSize: groupSize === WHOLE_TENSOR ? 0 : Number(groupSize),
    symmetric,
  };
}
