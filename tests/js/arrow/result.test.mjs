/** Results as Arrow tables, and their rows as layers to dequantize. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as flechette from '@uwdata/flechette';
import * as arrow from 'apache-arrow';
import * as arrow17 from 'apache-arrow-17';
import { ArrowQuant } from 'arrowquant';
import 'arrowquant/arrow';
import { randomWeights, sameBytes } from '../support/weights.mjs';
import { golden, listColumn, nameColumn } from './support/tables.mjs';

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** A result with an empty layer, and one with a single weight. */
const someResult = (bits = 4, options = {}) =>
  quantizer.quantizeBatch(
    {
      'z.last': { data: randomWeights(3000, 1), shape: [30, 100] },
      'ä.weight': randomWeights(333, 2),
      'a.empty': new Float32Array(0),
      'a.one': Float32Array.of(0.5),
    },
    bits,
    options,
  );

/** Fails unless each row of the table is restored as the layer of the same place. */
async function expectRestored(table, result) {
  expect(table.numRows).toBe(result.size);
  for (const [i, [name, layer]] of [...result].entries()) {
    const row = table.get(i);
    expect([row.layer_name, Array.from(row.shape, Number)]).toEqual([name, layer.shape]);
    expect(sameBytes(await quantizer.dequantize(row), await quantizer.dequantize(layer))).toBe(true);
  }
}

const kColumns = [
  ...['layer_name: Utf8', 'quantized_data: Binary', 'scales: List<Float32>', 'zero_points: List<Float32>'],
  ...['shape: List<Int64>', 'bit_width: Uint8', 'group_size: Uint32', 'symmetric: Bool'],
];

test('a table has the columns that are documented, a record batch for each layer, in the order of the names', async () => {
  const result = await someResult();
  const table = result.toTable();
  const columns = (one) => one.schema.fields.map(({ name, type }) => `${name}: ${type}`);
  expect(columns(table)).toEqual(kColumns);
  expect(columns(result.toRecordBatch({ zeroPoints: 'uint8' }))).toEqual(
    kColumns.map((column) => column.replace('zero_points: List<Float32>', 'zero_points: List<Uint8>')),
  );
  expect(table.batches.map(({ numRows }) => numRows)).toEqual([1, 1, 1, 1]);
  expect([...table.getChild('layer_name')]).toEqual(['a.empty', 'a.one', 'z.last', 'ä.weight']);
});

test('a table lies in the arrays of the result', async () => {
  const result = await someResult();
  const table = result.toTable({ zeroPoints: 'uint8' });
  const { quantizedData, scales, zeroPoints } = result.get('z.last');
  const [chunk] = table.batches[2].data.children.slice(1, 2);
  expect(chunk.values.buffer).toBe(quantizedData.buffer);
  for (const [column, array] of [
    [2, scales],
    [3, zeroPoints],
  ]) {
    expect(table.batches[2].data.children[column].children[0].values.buffer).toBe(array.buffer);
  }
});

describe.each([
  ['4 bits in groups', 4, {}],
  ['2 bits, symmetric', 2, { symmetric: true, groupSize: 32 }],
  ['8 bits, one group', 8, { groupSize: 'tensor' }],
])('%s', (_, bits, options) => {
  test.each([['float32'], ['uint8']])(
    'rows with %s zero points are restored to what layers are',
    async (zeroPoints) => {
      const result = await someResult(bits, options);
      const table = result.toTable({ zeroPoints });
      await expectRestored(table, result);
      await expectRestored(new arrow.Table([result.toRecordBatch({ zeroPoints })]), result);
      for (const library of [arrow, arrow17, flechette]) {
        for (const form of ['file', 'stream']) {
          await expectRestored(library.tableFromIPC(arrow.tableToIPC(table, form)), result);
        }
      }
      const part = arrow.tableFromIPC(arrow.tableToIPC(new arrow.Table([result.toRecordBatch({ zeroPoints })])));
      await expectRestored(part.slice(1, 3), new Map([...result].slice(1, 3)));
    },
  );
});

test('a batch that weighs columns has a table, too; failures have no row; layers that were added have one', async () => {
  const layers = { a: randomWeights(64, 3), b: Float32Array.of(NaN) };
  const options = { continueOnError: true, effort: 'best', importance: { a: new Float32Array(64).fill(1) } };
  const result = await quantizer.quantizeBatch(layers, 4, options);
  expect([...result.toTable().getChild('layer_name')]).toEqual(['a']);
  result.set('0', result.get('a'));
  expect([...result.toTable().getChild('layer_name')]).toEqual(['0', 'a']);
  expect((await quantizer.quantizeBatch({}, 4)).toTable().numRows).toBe(0);
});

test('tables of several bit widths join', async () => {
  const [two, eight] = [await someResult(2), await someResult(8)];
  const joined = two.toTable().concat(eight.toTable());
  expect([...joined.getChild('bit_width')]).toEqual([2, 2, 2, 2, 8, 8, 8, 8]);
  await expectRestored(joined.slice(4), eight);
});

test('the methods are not among what a result lists', async () => {
  const result = await someResult();
  expect(Object.keys(result)).toEqual(['failures', 'warnings']);
});

test('what is no option or no layer is refused', async () => {
  const result = await someResult();
  const failure = (run) => {
    try {
      return run();
    } catch (error) {
      return error;
    }
  };
  for (const options of [{ zeroPoints: 'int8' }, { zeroPoint: 'uint8' }, 'uint8']) {
    expect(failure(() => result.toTable(options))).toMatchObject({ name: 'QuantizeError', code: 'invalid_option' });
  }
  result.set('odd', { quantizedData: new Uint8Array(4) });
  expect(failure(() => result.toRecordBatch())).toMatchObject({ name: 'QuantizeError', code: 'invalid_weights' });
});

test('a column of more bytes than its offsets can say is refused, and which way there is', async () => {
  const result = await someResult();
  const layer = result.get('a.one');
  // As large as they must be, and of no memory: nobody touches it.
  const large = new Uint8Array(2 ** 30);
  for (const name of ['a', 'b']) result.set(name, { ...layer, quantizedData: large });
  expect(() => result.toRecordBatch()).toThrow(expect.objectContaining({ code: 'out_of_memory' }));
  expect(() => result.toRecordBatch()).toThrow(/layer "b".*toTable/);
  expect(result.toTable().numRows).toBe(6);
});

test('validate says what it takes beside weights: the result, not its table', async () => {
  const weights = { a: randomWeights(64, 4) };
  const result = await quantizer.quantizeBatch(weights, 4);
  const table = new arrow.Table({ layer_name: nameColumn(['a']), weights: listColumn([weights.a]) });
  expect(await quantizer.validate(table, result)).toMatchObject({ passed: true });
  for (const [original, quantized] of [
    [table, result.toTable()],
    [new Map(Object.entries(weights)), result.toTable()],
    [weights, result.toRecordBatch()],
    [table, [...result]],
  ]) {
    const failure = await quantizer.validate(original, quantized).catch((error) => error);
    expect(failure).toMatchObject({ name: 'QuantizeError', code: 'invalid_option' });
    expect(failure.message).toMatch(/quantized is an (object|array), must be the result of a batch where original is/);
  }
});

describe('rows of other programs', () => {
  const kLevels = Array.from({ length: 96 }, (_, i) => i % 16);
  const rowsOf = ({ tableFromIPC }) => {
    const table = tableFromIPC(golden('quantized.arrow'));
    return new Map(Array.from({ length: table.numRows }, (_, i) => [table.get(i).layer_name, table.get(i)]));
  };
  const restored = (levels, groupSize, scales, zeroPoints) =>
    Float32Array.from(levels, (level, i) => {
      const group = Math.floor(i / groupSize);
      return (level - zeroPoints[group]) * scales[group];
    });

  test.each([
    ['apache-arrow', arrow],
    ['Flechette', flechette],
  ])('read by %s: a byte for every level, zero points as floats, no group size', async (_, library) => {
    const rows = rowsOf(library);
    const [scales, zeroPoints] = [
      [0.5, 0.25, 2],
      [3, 0, 15],
    ];
    const packed = Array.from({ length: 96 }, (_, i) => ((i >> 1) >> (i % 2 === 0 ? 0 : 4)) & 15);
    expect(await quantizer.dequantize(rows.get('whole'))).toEqual(restored(kLevels, 96, [0.5], [3]));
    expect(await quantizer.dequantize(rows.get('groups'))).toEqual(restored(kLevels, 32, scales, zeroPoints));
    expect(await quantizer.dequantize(rows.get('packed'))).toEqual(restored(packed, 32, scales, zeroPoints));
    const { fround } = Math;
    const wanted = kLevels.map((level, i) => {
      const [scale, zeroPoint] = [
        [0.5, 3.5],
        [0.3, -0.7],
        [2, 300.1],
      ][Math.floor(i / 32)].map(fround);
      return fround(level - zeroPoint) * scale;
    });
    expect(await quantizer.dequantize(rows.get('fraction'))).toEqual(Float32Array.from(wanted));
  });

  test.each([
    ['packed fraction', /zero_points.*element 0 is 3\.5, must be a whole number/],
    ['unclear', /group_size.*5 scales for 96 weights/],
  ])('%s is refused', async (name, message) => {
    const failure = await quantizer.dequantize(rowsOf(arrow).get(name)).catch((error) => error);
    expect(failure).toMatchObject({ name: 'QuantizeError', code: 'invalid_weights', layer: name });
    expect(failure.message).toMatch(message);
  });

  test.each([
    ['no scales', { scales: null }, 'invalid_weights', /scales of the row: missing/],
    ['a text', { zero_points: '3' }, 'invalid_weights', /zero_points of the row: no list/],
    [
      'a null in a list',
      { scales: { nullCount: 1, toArray: () => Float32Array.of(0) } },
      'invalid_weights',
      /a null in it/,
    ],
    ['a null in an array', { scales: [null] }, 'invalid_weights', /scales of the row: a null in it/],
    ['an array with a gap', { zero_points: Array(1) }, 'invalid_weights', /zero_points of the row: a null in it/],
    ['a null in a shape', { shape: [null, 96] }, 'invalid_weights', /shape of the row: a null in it/],
    ['levels in an array', { quantized_data: [1, 2] }, 'invalid_weights', /column quantized_data of the row: no bytes/],
    [
      'levels of 16 bits',
      { quantized_data: new Uint16Array(96) },
      'invalid_weights',
      /column quantized_data of the row/,
    ],
    ['no bits', { bit_width: undefined }, 'invalid_weights', /bit_width of the row: missing/],
    ['3 bits', { bit_width: 3n, quantized_data: new Uint8Array(36) }, 'invalid_bit_width', /3/],
    ['another shape', { shape: [95] }, 'shape_mismatch', /./],
    ['a group size', { group_size: 33 }, 'invalid_option', /33/],
  ])('%s', async (_, change, code, message) => {
    const [row] = rowsOf(flechette).values();
    const failure = await quantizer.dequantize({ ...row, group_size: 0, ...change }).catch((error) => error);
    expect(failure).toMatchObject({ name: 'QuantizeError', code });
    expect(failure.message).toMatch(message);
  });

  test.each([
    ['apache-arrow', arrow],
    ['Flechette', flechette],
  ])('a null in a list that %s has read is not taken for 0', async (_, library) => {
    const list = (values, type) => arrow.vectorFromArray([values], new arrow.List(new arrow.Field('item', type)));
    const table = new arrow.Table({
      layer_name: arrow.vectorFromArray(['a'], new arrow.Utf8()),
      quantized_data: arrow.vectorFromArray([new Uint8Array(64)], new arrow.Binary()),
      scales: list([0.5, null], new arrow.Float32()),
      zero_points: list([3, 3], new arrow.Float32()),
      shape: list([64n], new arrow.Int64()),
      bit_width: arrow.vectorFromArray([8], new arrow.Uint8()),
    });
    const row = library.tableFromIPC(arrow.tableToIPC(table)).get(0);
    const failure = await quantizer.dequantize(row).catch((error) => error);
    expect(failure).toMatchObject({ name: 'QuantizeError', code: 'invalid_weights', layer: 'a' });
    expect(failure.message).toContain('column scales of the row: a null in it');
  });

  describe('with fractions as zero points', () => {
    /** Several stretches of weights. */
    const large = (change) => ({
      quantized_data: new Uint8Array(3 << 19).fill(9),
      ...{ scales: [2], zero_points: [0.5], shape: [3 << 19], bit_width: 4, group_size: 0, ...change },
    });

    test('a large row is restored in turns with the event loop, and can be aborted', async () => {
      let turns = 0;
      const count = () => ((turns += 1), (timer = setTimeout(count)));
      let timer = setTimeout(count);
      const restored = await quantizer.dequantize(large());
      clearTimeout(timer);
      expect([restored.length, restored.every((weight) => weight === 17), turns > 0]).toEqual([3 << 19, true, true]);
      const controller = new AbortController();
      const call = quantizer.dequantize(large(), { signal: controller.signal });
      setTimeout(() => controller.abort());
      const failure = await call.catch((error) => error);
      expect(failure.code).toBe('aborted');
      expect(failure.cause).toBe(controller.signal.reason);
    });

    describe.each([
      ['levels', 'quantized_data'],
      ['scales', 'scales'],
    ])('whose %s are transferred away', (_, column) => {
      const gone = { code: 'detached_buffer' };
      const row = () => large({ scales: Float32Array.of(2) });
      const transfer = ({ [column]: { buffer } }) => structuredClone(buffer, { transfer: [buffer] });

      test('meanwhile', async () => {
        // What restores it is loaded by the first one.
        await quantizer.dequantize(row());
        const own = row();
        const call = quantizer.dequantize(own);
        setTimeout(() => transfer(own));
        await expect(call).rejects.toMatchObject(gone);
      });

      test('before', async () => {
        const own = row();
        transfer(own);
        await expect(quantizer.dequantize(own)).rejects.toMatchObject(gone);
      });
    });

    test.each([
      ['a scale too many', { scales: [1, 2] }, 'shape_mismatch'],
      ['another shape', { shape: [(3 << 19) - 1] }, 'invalid_weights'],
      ['an unknown group size', { group_size: 33 }, 'invalid_option'],
      ['a zero point that is none', { zero_points: [NaN] }, 'invalid_weights'],
    ])('%s', async (_, change, code) => {
      await expect(quantizer.dequantize(large(change))).rejects.toMatchObject({ name: 'QuantizeError', code });
    });

    test('the quantizer is disposed of meanwhile', async () => {
      const own = await ArrowQuant.create({ backend: 'single' });
      const call = own.dequantize(large());
      await own.dispose();
      await expect(call).rejects.toMatchObject({ code: 'disposed' });
    });
  });

  test('no row', async () => {
    for (const none of [null, undefined]) {
      await expect(quantizer.dequantize(none)).rejects.toMatchObject({ code: 'invalid_weights' });
    }
  });
});
