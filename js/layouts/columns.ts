import { affineCodec, codecLabel, planeBytes, traitsOf, type Codec, type Plane } from '../codecs/codec.js';
import type { Entry, FilePart, PlannedEntry, PlannedValue } from '../containers/container.js';
import { isDType, isFloatType } from '../containers/dtypes.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import type { QuantizeError } from '../errors.js';
import type { ByteRange, ByteSource } from '../io/byte-io.js';
import { NarrowedSource } from '../io/narrowed-source.js';
import type { LaidOut, Layout } from './layout.js';
import { plain } from './plain.js';
import type { CodedTensor, PlannedTensor, StoredPlane } from './tensor.js';

const LEVELS = 'quantized_data';
const SCALES = 'scales';
const ZERO_POINTS = 'zero_points';
const BITS = 'bit_width';
const GROUP_SIZE = 'group_size';
const SYMMETRIC = 'symmetric';
const DTYPE = 'dtype';

/** What the weights were where nothing says; it has those that can be restored. */
const DEFAULT_DTYPE = 'F32';

const CODEC = traitsOf({ name: 'affine' });

/**
 * For containers whose files are tables (docs/formats.md): affine levels, scales and zero points are columns of the tensor's
 * row, and single values beside them say how they are decoded. What is one array anyway lies as in `plain`.
 */
export const columns = {
  name: 'columns',
  keys: [],
  columns: [LEVELS, SCALES, ZERO_POINTS, BITS, GROUP_SIZE, SYMMETRIC, DTYPE],
  hasColumns: true,
  read,
  admits: (codec) =>
    codec.name === CODEC.name || plain.admits(codec) === null
      ? null
      : `the layout "columns" has affine levels, and ${codecLabel(codec)} has others`,
  entriesOf: (tensor) => (isAffine(tensor) ? entriesOf(tensor) : plain.entriesOf(tensor)),
  valuesOf: (tensor) => (isAffine(tensor) ? valuesOf(tensor) : undefined),
  textsOf: plain.textsOf,
} as const satisfies Layout;

interface AffineTensor extends PlannedTensor {
  readonly target: { readonly kind: 'codec'; readonly codec: Codec };
}

const isAffine = (tensor: PlannedTensor): tensor is AffineTensor =>
  tensor.target.kind === 'codec' && tensor.target.codec.name === CODEC.name;

/** Scales and zero points are columns of these names. */
const columnOf = ({ name }: Plane): string => (name === 'levels' ? LEVELS : name);

const entriesOf = ({ name, shape, elements, target: { codec } }: AffineTensor): PlannedEntry[] =>
  CODEC.planes.map((plane, index) => {
    const bytes = planeBytes(codec, index, elements);
    const column = columnOf(plane);
    const isPacked = column === LEVELS ? { isPacked: true as const } : {};
    return { name, column, type: { name: plane.element }, shape, bytes, ...isPacked };
  });

function valuesOf({ dtype, target: { codec } }: AffineTensor): ReadonlyMap<string, PlannedValue> {
  const values: Record<string, PlannedValue> = {
    [BITS]: { type: 'U8', value: codec.bits },
    [GROUP_SIZE]: { type: 'U32', value: codec.groupSize },
    [SYMMETRIC]: { type: 'BOOL', value: codec.symmetric },
    [DTYPE]: { type: 'TEXT', value: isFloatName(dtype) ? dtype : DEFAULT_DTYPE },
  };
  return new Map(Object.entries(values));
}

const isFloatName = (dtype: unknown): dtype is string => isDType(dtype) && isFloatType(dtype);

/** Every row that has values beside its arrays. */
function read({ source, entries }: FilePart): LaidOut {
  const rows = new Map<string, Entry[]>();
  const rest: Entry[] = [];
  for (const entry of entries) {
    if (entry.values === undefined) {
      rest.push(entry);
      continue;
    }
    const row = rows.get(entry.name);
    if (row === undefined) rows.set(entry.name, [entry]);
    else row.push(entry);
  }
  return { tensors: [...rows].map(([name, row]) => tensorOf(name, row, source)), rest };
}

function tensorOf(name: string, row: readonly Entry[], source: ByteSource): CodedTensor {
  const fail = (detail: string): QuantizeError =>
    invalidFile(source, `the row of tensor ${quoted(name)} ${detail}`, { layer: name });
  const arrays = new Map(row.map((entry) => [entry.column ?? '', entry]));
  const levels = arrays.get(LEVELS);
  if (levels === undefined) throw fail('has neither weights nor "quantized_data"');
  const { shape, values = NO_VALUES } = levels;
  const elements = shape.reduce((product, size) => product * size, 1);
  const groups = arrays.get(SCALES)?.elements ?? 0;
  const codec = codecOf(values, { elements, groups }, fail);
  const dtype = values.get(DTYPE);
  const planes = CODEC.planes.map((plane, index): StoredPlane => {
    const column = columnOf(plane);
    const entry = arrays.get(column);
    if (entry === undefined) throw fail(`has no ${quoted(column)}`);
    const data = narrowed(entry, fail);
    const needed = planeBytes(codec, index, elements);
    const bytes = data.reduce((sum, range) => sum + range.bytes, 0);
    const type = column === ZERO_POINTS && entry.type.name === 'F32' ? 'U8' : entry.type.name;
    if (type === plane.element && bytes === needed) return data;
    throw fail(
      `does not hold ${needed} bytes of ${plane.element} in ${quoted(column)}, as its shape, bits and group size need`,
    );
  });
  return { name, shape, elements, dtype: isFloatName(dtype) ? dtype : DEFAULT_DTYPE, codec, planes };
}

/** Zero points may be floats; then they are made bytes as they are read. */
function narrowed({ column, type, data, elements }: Entry, fail: (detail: string) => QuantizeError): StoredPlane {
  if (column !== ZERO_POINTS || type.name !== 'F32') return data;
  return data.map((range): ByteRange => {
    const source = new NarrowedSource(range, 'F32', (index) =>
      fail(
        `has a zero point (number ${index}) that is no whole number from 0 to 255, as levels of other programs may have`,
      ),
    );
    return { source, begin: 0, bytes: elements };
  });
}

type Values = NonNullable<Entry['values']>;

const NO_VALUES: Values = new Map();

function codecOf(
  values: Values,
  { elements, groups }: { readonly elements: number; readonly groups: number },
  fail: (detail: string) => QuantizeError,
): Codec {
  const bits = CODEC.bits.find((one) => one === values.get(BITS));
  if (bits === undefined) throw fail(`has no "bit_width" of ${CODEC.bits.join(', ')}`);
  const given = values.get(GROUP_SIZE);
  // Without it, the number of groups tells: no two sizes give the same, but one.
  const size =
    given ?? (groups <= 1 ? 0 : CODEC.groupSizes.find((one) => one > 0 && Math.ceil(elements / one) === groups));
  const groupSize = CODEC.groupSizes.find((one) => one === size);
  if (groupSize === undefined) throw fail(`has no "group_size" of ${CODEC.groupSizes.join(', ')} that fits its scales`);
  return affineCodec(bits, groupSize, values.get(SYMMETRIC) === true);
}
