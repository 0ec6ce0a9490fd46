/** Tables that are no weights: every error names the column, and the row where there is one. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  Bool,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  Struct,
  Table,
  Timestamp,
  TimeUnit,
  Uint8,
  Utf8,
  tableToIPC,
  vectorFromArray,
} from 'apache-arrow';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2, mode: 'base' });
});
afterAll(() => quantizer.dispose());

const listOf = (type) => new List(new Field('item', type, true));
const names = (...all) => vectorFromArray(all, new Utf8());
const weights = (...all) => vectorFromArray(all, listOf(new Float32()));
const shapes = (...all) => vectorFromArray(all, listOf(new Int32()));

const write = (columns, form = 'file') => folder.write('in.arrow', tableToIPC(new Table(columns), form));
const opening = (columns, form) => quantizer.inspectFile(write(columns, form));

test('a table of apache-arrow, as a file and as a stream', async () => {
  for (const form of ['file', 'stream']) {
    const columns = { layer_name: names('a', 'b'), weights: weights([1, 2, 3, 4], [5]), shape: shapes([2, 2], [1]) };
    const { tensors } = await opening(columns, form);
    expect(tensors).toMatchObject([
      { name: 'a', shape: [2, 2], type: 'F32' },
      { name: 'b', shape: [1], type: 'F32' },
    ]);
    expect([...(await quantizer.readTensor(folder.path('in.arrow'), 'b'))]).toEqual([5]);
  }
});

test.each([
  ['no names', { weights: weights([1]) }, /it has no column "layer_name"; its columns are "weights"/u],
  ['no columns', {}, /it has no column "layer_name"; its columns are none/u],
  [
    'names that are numbers',
    { layer_name: vectorFromArray([1], new Int32()), weights: weights([1]) },
    /column "layer_name" is int32, but has to be texts/u,
  ],
  [
    'float64',
    { layer_name: names('a'), weights: vectorFromArray([[1]], listOf(new Float64())) },
    /column "weights" is list<float64>, but has to be lists of float32 or float16; cast it first/u,
  ],
  [
    'whole numbers',
    { layer_name: names('a'), weights: vectorFromArray([[1]], listOf(new Int32())) },
    /column "weights" is list<int32>/u,
  ],
  [
    'a number in each row',
    { layer_name: names('a'), weights: vectorFromArray([1], new Float32()) },
    /column "weights" is float32/u,
  ],
  [
    'lists of lists',
    { layer_name: names('a'), weights: vectorFromArray([[[1]]], listOf(listOf(new Float32()))) },
    /column "weights" is list<list<float32>>/u,
  ],
  [
    'another type than the name of the column says',
    { layer_name: names('a'), weights_i64: vectorFromArray([[1]], listOf(new Int32())) },
    /column "weights_i64" is list<int32>, but has to be lists of what its name says/u,
  ],
  [
    'shapes that are texts',
    { layer_name: names('a'), weights: weights([1]), shape: names('1') },
    /column "shape" is utf8, but has to be lists of int64/u,
  ],
])('%s', async (_, columns, message) => {
  await expect(opening(columns)).rejects.toMatchObject({
    ...{ code: 'invalid_file', message: expect.stringMatching(message), file: folder.path('in.arrow') },
  });
});

test.each([
  [
    'a name that is null',
    { layer_name: names('a', null), weights: weights([1], [2]) },
    'column "layer_name", row 1: it is null',
    undefined,
  ],
  [
    'weights that are null',
    { layer_name: names('a', 'b'), weights: weights([1], null) },
    'column "weights", row 1 ("b"): it is null',
    'b',
  ],
  [
    'a value that is null',
    { layer_name: names('a', 'b'), weights: weights([1], [2, 3, null]) },
    'column "weights", row 1 ("b"): value 2 is null',
    'b',
  ],
  [
    'two rows of one name',
    { layer_name: names('a', 'b', 'a'), weights: weights([1], [2], [3]) },
    'column "layer_name", row 2 ("a"): row 0 has the same name',
    'a',
  ],
  [
    'a shape of other numbers',
    { layer_name: names('a', 'b'), weights: weights([1], [2, 3]), shape: shapes([1], [3]) },
    'column "shape", row 1 ("b"): [3] needs 3 values, but "weights" has 2',
    'b',
  ],
  [
    'a shape below zero',
    { layer_name: names('a'), weights: weights([1]), shape: shapes([-1]) },
    'column "shape", row 0 ("a"): [-1] is no shape',
    'a',
  ],
  [
    'a size that is null',
    { layer_name: names('a'), weights: weights([1]), shape: shapes([1, null]) },
    'column "shape", row 0 ("a"): a size in it is null',
    'a',
  ],
])('%s: the row is named', async (_, columns, detail, layer) => {
  for (const form of ['file', 'stream']) {
    await expect(opening(columns, form)).rejects.toMatchObject({
      ...{ code: 'invalid_file', message: expect.stringContaining(detail) },
      ...(layer !== undefined && { layer }),
    });
  }
});

test('rows count over all batches', async () => {
  const batches = [
    ['a', [1]],
    ['b', [2]],
    ['c', null],
  ].map(([name, values]) => new Table({ layer_name: names(name), weights: weights(values) }).batches[0]);
  const file = folder.write('in.arrow', tableToIPC(new Table(batches), 'file'));
  await expect(quantizer.inspectFile(file)).rejects.toThrow('column "weights", row 2 ("c"): it is null');
});

test('a null elsewhere than in a row that is there does no harm', async () => {
  const columns = { layer_name: names('a', 'b'), weights: weights([1, 2], [3]), weights_f16: halves(null, null) };
  await expect(opening(columns)).resolves.toMatchObject({ tensors: [{ name: 'a' }, { name: 'b' }] });
});

const halves = (...all) => vectorFromArray(all, listOf(new Float16()));

test('columns of other types do no harm, wherever they stand', async () => {
  const moment = new Timestamp(TimeUnit.SECOND);
  const columns = {
    when: vectorFromArray([new Date(0)], moment),
    pair: vectorFromArray([{ x: 1n, y: 'é' }], new Struct([new Field('x', new Int64()), new Field('y', new Utf8())])),
    layer_name: names('a'),
    flag: vectorFromArray([true], new Bool()),
    weights: weights([1, 2]),
    pairs: vectorFromArray([[1, 2]], new FixedSizeList(2, new Field('item', new Uint8(), true))),
  };
  await expect(opening(columns)).resolves.toMatchObject({ tensors: [{ name: 'a', shape: [2] }] });
});

describe('a table of quantized weights', () => {
  const kRow = {
    ...{ layer_name: 'a', quantized_data: [1, 2, 3, 4], scales: [1], zero_points: [7], shape: [2, 4] },
    ...{ bit_width: 4, group_size: 0, symmetric: false },
  };
  const bytes = (all) => vectorFromArray([all], listOf(new Uint8()));
  /** apache-arrow makes no binary of numbers, but lists of bytes say the same. */
  const tableOf = ({ scales, zero_points: zeros, quantized_data: data, shape, bit_width: bits, ...row }) => ({
    layer_name: names(row.layer_name),
    ...(data !== undefined && { quantized_data: bytes(data) }),
    ...(scales !== undefined && { scales: weights(scales) }),
    ...(zeros !== undefined && { zero_points: typeof zeros.type === 'undefined' ? bytes(zeros) : zeros }),
    ...(shape !== undefined && { shape: shapes(shape) }),
    ...(bits !== undefined && { bit_width: vectorFromArray([bits], new Uint8()) }),
    ...(row.group_size !== undefined && { group_size: vectorFromArray([row.group_size], new Int32()) }),
  });

  test('is read', async () => {
    write(tableOf(kRow));
    expect([...(await quantizer.readTensor(folder.path('in.arrow'), 'a'))]).toEqual([-6, -7, -5, -7, -4, -7, -3, -7]);
  });

  test.each([
    ['without levels', { quantized_data: undefined }, /has neither weights nor "quantized_data"/u],
    ['without scales', { scales: undefined }, /"scales"/u],
    ['without a shape', { shape: undefined }, /column "shape", row 0 \("a"\): there is none/u],
    ['without bits', { bit_width: undefined }, /has no "bit_width" of 2, 4, 8/u],
    ['with 3 bits', { bit_width: 3 }, /has no "bit_width" of 2, 4, 8/u],
    ['in groups of 48', { group_size: 48 }, /has no "group_size" of 32, 64/u],
    ['with a level too many', { quantized_data: [1, 2, 3, 4, 5] }, /does not hold 4 bytes of U8 in "quantized_data"/u],
    ['that is not packed', { quantized_data: [1, 0, 2, 0, 3, 0, 4, 0] }, /does not hold 4 bytes of U8/u],
    ['with scales of other groups', { scales: [1, 2] }, /does not hold 4 bytes of F32 in "scales"/u],
    ['with weights for zero points', { zero_points: weights([7, 8]) }, /in "zero_points"/u],
  ])('%s', async (_, changed, message) => {
    await expect(opening(tableOf({ ...kRow, ...changed }))).rejects.toMatchObject({
      ...{ code: 'invalid_file', layer: 'a', message: expect.stringMatching(message) },
    });
  });

  test('zero points between two levels are refused when they are read', async () => {
    write(tableOf({ ...kRow, zero_points: weights([7.5]) }));
    await expect(quantizer.readTensor(folder.path('in.arrow'), 'a')).rejects.toMatchObject({
      ...{ code: 'invalid_file', layer: 'a', message: expect.stringContaining('no whole number from 0 to 255') },
    });
  });

  test('zero points as floats are read as the levels that they are', async () => {
    write(tableOf({ ...kRow, zero_points: weights([7]) }));
    expect([...(await quantizer.readTensor(folder.path('in.arrow'), 'a'))].slice(0, 2)).toEqual([-6, -7]);
  });
});
