/** Which columns of a schema hold what: names, shapes, weights, and what a row has in their place. */

import { quoted } from '../invalid-file.js';
import { NAME, SHAPE, WEIGHTS, elementName, isWeights, weightsColumn } from './element-types.js';
import type { Fault } from './flat-table.js';
import { typeName, type ArrowField, type ArrowSchema } from './schema.js';

/** Columns by their places in the schema. */
export interface TableColumns {
  readonly name: number;
  readonly shape: number | null;
  readonly weights: readonly number[];
  /** Lists of numbers and binaries. */
  readonly arrays: readonly number[];
  /** Single numbers, flags and texts. */
  readonly values: readonly number[];
}

/** How many names of columns an error lists. */
const MOST_NAMES = 8;

/**
 * Throws what `fault` makes for columns of other types than weights are read in. `wanted` are the columns that a row may have
 * in their place; those of other names, or of types that say nothing, are ignored.
 */
export function tableColumns({ fields }: ArrowSchema, wanted: ReadonlySet<string>, fault: Fault): TableColumns {
  const isRead = ({ name }: ArrowField): boolean => [NAME, SHAPE].includes(name) || isWeights(name) || wanted.has(name);
  checkNames(fields.filter(isRead), fault);
  const name = fields.findIndex((field) => field.name === NAME);
  const names = fields.slice(0, MOST_NAMES).map((field) => quoted(field.name));
  if (name < 0) {
    throw fault(`it has no column ${quoted(NAME)}; its columns are ${names.join(', ') || 'none'}`);
  }
  if (fields[name]?.type.kind !== 'utf8') throw wrongType(fields[name], 'texts', fault);
  const shape = fields.findIndex((field) => field.name === SHAPE);
  if (shape >= 0 && !isListOf(fields[shape], isInteger)) throw wrongType(fields[shape], 'lists of int64', fault);
  const weights = weightsOf(fields, fault);
  const isArray = (field: ArrowField): boolean =>
    field.dictionary === null && (field.type.kind === 'binary' || isListOf(field, isNumber));
  return {
    ...{ name, shape: shape < 0 ? null : shape, weights },
    arrays: placesOf(fields, (field) => wanted.has(field.name) && isArray(field)),
    values: placesOf(fields, (field) => wanted.has(field.name) && isValue(field)),
  };
}

const placesOf = (fields: readonly ArrowField[], isOne: (field: ArrowField) => boolean): readonly number[] =>
  fields.flatMap((field, place) => (isOne(field) ? [place] : []));

function checkNames(fields: readonly ArrowField[], fault: Fault): void {
  const names = new Set<string>();
  for (const { name } of fields) {
    if (names.has(name)) throw fault(`it has two columns ${quoted(name)}`);
    names.add(name);
  }
}

const isInteger = ({ type, dictionary }: ArrowField): boolean => type.kind === 'integer' && dictionary === null;
const isNumber = (field: ArrowField): boolean => field.dictionary === null && elementName(field) !== undefined;

/** Whether a column has lists, of fixed size or not, of values for which that holds. */
function isListOf(field: ArrowField | undefined, isOne: (child: ArrowField) => boolean): boolean {
  const [child] = field?.children ?? [];
  const isList = field?.type.kind === 'list' || field?.type.kind === 'fixed-list';
  return isList && field.dictionary === null && child !== undefined && isOne(child);
}

const isValue = ({ type, dictionary }: ArrowField): boolean =>
  type.kind === 'utf8' || (dictionary === null && (type.kind === 'integer' || type.kind === 'bool'));

/** The columns of weights. Beside `weights`, one that is none, such as `weights_f64`, is another column like any other. */
function weightsOf(fields: readonly ArrowField[], fault: Fault): readonly number[] {
  const places = placesOf(fields, ({ name }) => isWeights(name));
  const hasMain = places.some((place) => fields[place]?.name === WEIGHTS);
  return places.filter((place) => {
    const field = fields[place];
    const element = isListOf(field, isNumber) ? elementName(field?.children[0] ?? NONE) : undefined;
    if (field?.name === WEIGHTS) {
      if (element === 'F32' || element === 'F16') return true;
      throw wrongType(field, 'lists of float32 or float16; cast it first', fault);
    }
    if (element !== undefined && field?.name === weightsColumn(element)) return true;
    if (hasMain) return false;
    throw wrongType(field, 'lists of what its name says', fault);
  });
}

const NONE: Pick<ArrowField, 'type'> = { type: { kind: 'bool' } };

const wrongType = (field: ArrowField | undefined, needed: string, fault: Fault): ReturnType<Fault> =>
  fault(
    `its column ${quoted(field?.name ?? '')} is ${field === undefined ? '' : typeName(field)}, but has to be ${needed}`,
  );
