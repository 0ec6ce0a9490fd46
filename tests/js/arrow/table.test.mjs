/** Arrow tables as weights: each result must be that of the same weights in a Map. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as flechette from '@uwdata/flechette';
import * as arrow from 'apache-arrow';
import * as arrow17 from 'apache-arrow-17';
import { ArrowQuant } from 'arrowquant';
import { firstDifference, randomSource, randomWeights } from '../support/weights.mjs';
import { fixedListColumn, golden, goldenWeights, listColumn, nameColumn, shapeColumn } from './support/tables.mjs';

const kCounts = [130, 0, 1, 96, 1000];
const kFixed = [96, 96, 96, 96, 96];
const kFiles = [
  ['list.arrow', goldenWeights(kCounts, { shaped: true })],
  ['large.arrows', goldenWeights(kCounts, { shaped: true })],
  ['fixed.arrow', goldenWeights(kFixed, { shaped: true })],
  ['half.arrow', goldenWeights(kCounts, { shaped: false })],
  ['half-fixed.arrows', goldenWeights(kFixed, { shaped: false })],
  ['dictionary.arrow', goldenWeights(kCounts, { shaped: true })],
  ['sliced.arrows', goldenWeights(kCounts, { shaped: true, only: (row) => row >= 3 })],
];
const kLibraries = [
  ['apache-arrow 21', arrow, kFiles],
  // It does not read large lists.
  ['apache-arrow 17', arrow17, kFiles.filter(([name]) => name !== 'large.arrows')],
  ['Flechette', flechette, kFiles],
];

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Fails unless a table gives what a Map does, with the same progress. */
async function expectSame(table, weights, options) {
  const [seen, wanted] = [[], []];
  const expected = await quantizer.quantizeBatchWithProgress(weights, 4, (...one) => wanted.push(one), options);
  const result = await quantizer.quantizeBatchWithProgress(table, 4, (...one) => seen.push(one), options);
  expect(firstDifference(result, expected)).toBeNull();
  expect(seen).toEqual(wanted);
}

describe.each(kLibraries)('%s', (_, { tableFromIPC }, files) => {
  test.each(files)('%s, which pyarrow has written', async (name, weights) => {
    await expectSame(tableFromIPC(golden(name)), weights, { groupSize: 32 });
  });

  test('a row is refused for its own nulls, and for those of no other', async () => {
    const rows = [
      ['layer_name', /null, must be a text/],
      ['weights', /null, must be a list of float32/, 'no weights'],
      ['weights', /element 1 is null/, 'a weight'],
      ['shape', /null, must be a list of whole/, 'no shape'],
      ['shape', /element 1 is null/, 'a size'],
    ];
    const table = tableFromIPC(golden('nulls.arrows'));
    await expect(quantizer.quantizeBatch(table, 4)).rejects.toMatchObject({ code: 'invalid_weights' });
    if (table.slice === undefined) return;
    await expectSame(table.slice(0, 1), new Map([['fine', Float32Array.of(0.5, -0.5)]]));
    for (const [index, [column, detail, layer]] of rows.entries()) {
      const failure = await quantizer.quantizeBatch(table.slice(index + 1, index + 2), 4).catch((error) => error);
      expect(failure).toMatchObject({ name: 'QuantizeError', code: 'invalid_weights' });
      expect(failure.layer).toBe(layer);
      expect(failure.message).toMatch(detail);
      expect(failure.message).toContain(`column "${column}", row 0`);
    }
  });
});

describe('tables at random', () => {
  const kTypes = [
    ['lists', listColumn, (random) => Math.floor(random() * random() * 5000)],
    ['lists of one size', (arrays) => fixedListColumn(arrays, 200), () => 200],
  ];

  test.each(kTypes)('of %s, sliced and joined: as a Map', async (_, column, countOf) => {
    const random = randomSource(17);
    for (let round = 0; round < 12; ++round) {
      const chunks = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, chunk) => {
        const arrays = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, row) =>
          randomWeights(countOf(random), 100 * round + 10 * chunk + row),
        );
        const names = arrays.map((_, row) => `${Math.floor(random() * 1e9)}.${chunk}.${row}`);
        return { names, arrays };
      });
      const tables = chunks.map(
        ({ names, arrays }) =>
          new arrow.Table({
            layer_name: nameColumn(names),
            weights: column(arrays),
            shape: shapeColumn(arrays.map(({ length }) => (length % 2 === 0 ? [length / 2, 2] : [length, 1, 1]))),
          }),
      );
      const whole = tables.reduce((all, table) => all.concat(table));
      const begin = Math.floor(random() * whole.numRows);
      const end = begin + 1 + Math.floor(random() * (whole.numRows - begin));
      const all = chunks.flatMap(({ names, arrays }) => names.map((name, i) => [name, arrays[i]]));
      const pairs = all.slice(begin, end).map(([name, data]) => {
        const shape = data.length % 2 === 0 ? [data.length / 2, 2] : [data.length, 1, 1];
        return [name, { data, shape }];
      });
      await expectSame(whole.slice(begin, end), new Map(pairs), { groupSize: [32, 'tensor'][round % 2] });
    }
  });
});

/** Two layers, as a table and as a Map. */
function twoLayers() {
  const arrays = [randomWeights(640, 1), randomWeights(512, 2)];
  const table = new arrow.Table({ layer_name: nameColumn(['b', 'a']), weights: listColumn(arrays) });
  return { arrays, table, weights: new Map(['b', 'a'].map((name, i) => [name, arrays[i]])) };
}

test.each(['threads', 'workers', 'single'])('a table is read by the backend %s', async (backend) => {
  const own = await ArrowQuant.create({ backend, threads: 2 });
  const { table, weights } = twoLayers();
  const halves = arrow.tableFromIPC(golden('half.arrow'));
  expect(firstDifference(await own.quantizeBatch(table, 2), await own.quantizeBatch(weights, 2))).toBeNull();
  const expected = await own.quantizeBatch(goldenWeights(kCounts, { shaped: false }), 8);
  expect(firstDifference(await own.quantizeBatch(halves, 8), expected)).toBeNull();
  await own.dispose();
});

test('a record batch, a table without rows, and columns that are not looked at', async () => {
  const { table, weights } = twoLayers();
  await expectSame(table.batches[0], weights);
  await expectSame(table.slice(0, 0), new Map());
  await expectSame(table.assign(new arrow.Table({ note: nameColumn(['x', 'y']) })), weights);
});

test('weights are read where they lie: a table of one buffer, half of which is not in the table', async () => {
  const { arrays, table } = twoLayers();
  const { values } = table.getChild('weights').data[0].children[0];
  const call = quantizer.quantizeBatch(table.slice(1, 2), 4, { groupSize: 32 });
  // The other row is nobody's business.
  values.fill(NaN, 0, 640);
  expect(firstDifference(await call, await quantizer.quantizeBatch({ a: arrays[1] }, 4, { groupSize: 32 }))).toBeNull();
});

test('importance, effort and arrays to be written again go with tables', async () => {
  const { table, weights } = twoLayers();
  const importance = new Map([['b', Float32Array.from({ length: 640 }, (_, i) => 1 + (i % 7))]]);
  await expectSame(table, weights, { effort: 'best', importance });
  const output = await quantizer.quantizeBatch(weights, 4);
  const result = await quantizer.quantizeBatch(table, 4, { output });
  expect(result.get('a').quantizedData).toBe(output.get('a').quantizedData);
});

test('a layer that cannot be quantized fails alone where that is wanted', async () => {
  const arrays = [Float32Array.of(1, NaN), Float32Array.of(1, 2)];
  const table = new arrow.Table({ layer_name: nameColumn(['bad', 'good']), weights: listColumn(arrays) });
  await expect(quantizer.quantizeBatch(table, 4)).rejects.toMatchObject({ code: 'not_finite', layer: 'bad', index: 1 });
  const { failures, size } = await quantizer.quantizeBatch(table, 4, { continueOnError: true });
  expect([size, failures.get('bad').code]).toEqual([1, 'not_finite']);
});

test('aborted and disposed while the reader is loaded', async () => {
  const { table } = twoLayers();
  const controller = new AbortController();
  const call = quantizer.quantizeBatch(table, 4, { signal: controller.signal });
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: 'aborted' });
  const own = await ArrowQuant.create({ backend: 'single' });
  const other = own.quantizeBatch(table, 4);
  await own.dispose();
  await expect(other).rejects.toMatchObject({ code: 'disposed' });
});

describe('what is refused', () => {
  const names = nameColumn(['a', 'b']);
  const weights = listColumn([Float32Array.of(1, 2), Float32Array.of(3)]);
  const table = (columns) => new arrow.Table(columns);
  const doubles = arrow.vectorFromArray([[1], [2]], new arrow.List(new arrow.Field('item', new arrow.Float64())));
  const shorts = arrow.vectorFromArray([[1], [2]], new arrow.List(new arrow.Field('item', new arrow.Uint16())));
  const place = (column, row) => `column "${column}", row ${row}`;

  test.each([
    ['no names', { weights }, 'invalid_weights', 'the table has no column "layer_name"'],
    ['no weights', { layer_name: names }, 'invalid_weights', 'the table has no column "weights"'],
    [
      'numbers as names',
      { layer_name: arrow.vectorFromArray([1, 2]), weights },
      'invalid_weights',
      'Float64, must be a text',
    ],
    [
      'a name twice',
      { layer_name: nameColumn(['a', 'a']), weights },
      'duplicate_layer',
      `${place('layer_name', 1)}: also in row 0`,
    ],
    [
      'doubles',
      { layer_name: names, weights: doubles },
      'invalid_weights',
      `${place('weights', 0)}: a list of Float64`,
    ],
    ['integers', { layer_name: names, weights: shorts }, 'invalid_weights', 'a list of Uint16'],
    [
      'no lists',
      { layer_name: names, weights: names },
      'invalid_weights',
      'Utf8, must be a list of float32 or float16',
    ],
    [
      'shapes of floats',
      { layer_name: names, weights, shape: weights },
      'invalid_weights',
      'must be a list of whole numbers',
    ],
    [
      'another shape',
      { layer_name: names, weights, shape: shapeColumn([[1, 2], [2]]) },
      'shape_mismatch',
      `${place('shape', 1)}: shape [2] against 1 weights`,
    ],
    [
      'a negative shape',
      { layer_name: names, weights, shape: shapeColumn([[-1, -2], [1]]) },
      'shape_mismatch',
      'shape [-1, -2]',
    ],
    [
      'a shape beyond 2^53',
      { layer_name: names, weights, shape: shapeColumn([[2 ** 53, 0], [1]]) },
      'shape_mismatch',
      'against 2',
    ],
  ])('%s', async (_, columns, code, message) => {
    const failure = await quantizer.quantizeBatch(table(columns), 4).catch((error) => error);
    expect(failure).toMatchObject({ name: 'QuantizeError', code });
    expect(failure.message).toContain(message);
  });

  test('transfer, since all rows may lie in one buffer', async () => {
    const call = quantizer.quantizeBatch(twoLayers().table, 4, { transfer: true });
    await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
  });

  test('a table whose memory is gone', async () => {
    const bytes = arrow.tableToIPC(twoLayers().table);
    const gone = arrow.tableFromIPC(bytes);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    await expect(quantizer.quantizeBatch(gone, 4)).rejects.toMatchObject({ code: 'detached_buffer' });
  });

  test.each([
    ['that lead out of the column', BigInt64Array.of(0n, 2n, 4n), 'elements 2 to 4 of 3'],
    ['that shrink', BigInt64Array.of(2n, 0n, 3n), 'offsets'],
    ['beyond 2^53', BigInt64Array.of(0n, 2n ** 60n, 2n ** 61n), 'offsets'],
    ['of 32 bits that are missing', Int32Array.of(0, 2), 'offsets'],
  ])('offsets %s', async (_, valueOffsets, message) => {
    const child = { type: { precision: 1 }, length: 3, nullCount: 0, values: Float32Array.of(1, 2, 3) };
    const chunk = { type: {}, length: 2, nullCount: 0, valueOffsets, children: [child] };
    const columns = { layer_name: names, weights: { data: [chunk], length: 2 } };
    const fields = Object.keys(columns).map((name) => ({ name }));
    const bare = { schema: { fields }, numRows: 2, getChild: (name) => columns[name] };
    const failure = await quantizer.quantizeBatch(bare, 4).catch((error) => error);
    expect(failure.code).toBe('invalid_weights');
    expect(failure.message).toContain(message);
  });

  test('what a library throws becomes the cause', async () => {
    const cause = new Error('no');
    const bare = {
      schema: { fields: [{ name: 'layer_name' }] },
      getChild() {
        throw cause;
      },
    };
    await expect(quantizer.quantizeBatch(bare, 4)).rejects.toMatchObject({ code: 'invalid_weights', cause });
  });
});

test('a layer that is called schema is no table', async () => {
  const result = await quantizer.quantizeBatch({ schema: { data: new Float32Array(4), shape: [2, 2] } }, 4);
  expect([...result.keys()]).toEqual(['schema']);
});
