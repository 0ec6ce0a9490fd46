import { elementCount } from '../../dtypes.js';
import { rawBytes } from '../data-types.js';
import type { DataField, OnnxTensor } from '../graph.js';
import { EXTERNAL, FIELDS } from '../schema.js';
import {
  carriedField,
  encoded,
  messageField,
  optionalText,
  partField,
  textField,
  varintField,
  type Encoded,
  type Part,
  type WrittenField,
} from './wire.js';

const FIELD_NUMBERS: Readonly<Record<DataField, number>> = {
  float_data: 4,
  int32_data: 5,
  int64_data: 7,
  raw_data: 9,
  double_data: 10,
  uint64_data: 11,
};

/** Where the elements of a tensor lie that are in a file of their own. */
export interface ExternalPlace {
  readonly location: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A tensor with its elements, or with room for them. */
export function inlineTensor(tensor: OnnxTensor, isInitializer: boolean): Encoded {
  const part = partOf(tensor, isInitializer);
  return withFields(tensor, part === null ? [] : [partField(fieldNumber(tensor), part)]);
}

/** A tensor whose elements lie in another file. */
export const externalTensor = (tensor: OnnxTensor, { location, offset, bytes }: ExternalPlace): Encoded =>
  withFields(tensor, [
    ...[
      ['location', location],
      ['offset', String(offset)],
      ['length', String(bytes)],
    ].map(([key = '', value = '']) =>
      messageField(
        FIELDS.tensor.externalData,
        encoded('entry', [textField(FIELDS.entry.key, key), textField(FIELDS.entry.value, value)]),
      ),
    ),
    varintField(FIELDS.tensor.dataLocation, EXTERNAL),
  ]);

function withFields(tensor: OnnxTensor, fields: readonly WrittenField[]): Encoded {
  const { name, dataType, dims, rest } = tensor;
  return encoded('tensor', [
    ...dims.map((size) => varintField(FIELDS.tensor.dims, size)),
    varintField(FIELDS.tensor.dataType, dataType),
    ...optionalText(FIELDS.tensor.name, name),
    ...fields,
    ...rest.map(carriedField),
  ]);
}

const fieldNumber = ({ data }: OnnxTensor): number =>
  FIELD_NUMBERS[data.kind === 'stored' || data.kind === 'bytes' ? data.field : 'raw_data'];

/** Elements in memory, or room for them; null where there are none. Raw ones of initializers are room in any case. */
export function partOf(tensor: OnnxTensor, isInitializer: boolean): Part | null {
  const { dataType, dims, data } = tensor;
  if (data.kind === 'none') return null;
  if (data.kind === 'bytes') return isRoom(data, isInitializer) ? { tensor, bytes: data.bytes.length } : data.bytes;
  const bytes = data.kind === 'stored' ? data.range.bytes : rawBytes(dataType, elementCount(dims));
  return { tensor, bytes: bytes ?? 0 };
}

/** Whether elements that are in memory are written like those that are not: what is packed otherwise is part of the model. */
export const isRoom = ({ field }: { readonly field: DataField }, isInitializer: boolean): boolean =>
  isInitializer && (field === 'raw_data' || field === 'float_data' || field === 'double_data');
